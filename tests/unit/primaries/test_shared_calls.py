import asyncio
import gc
from collections.abc import Sequence

import pytest

from milepost_primaries.shared_calls import SharedCalls


class Calls:
    """Each call waits until it is let go; what was asked in it is kept."""

    def __init__(self, *, at_once: int = 10, within_s: float = 60) -> None:
        self.asked: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.error: BaseException | None = None
        self.shared: SharedCalls[int, int] = SharedCalls(
            self._call, at_once=at_once, within_s=within_s
        )

    def ask(self, *questions: int) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(self.shared.ask(question)) for question in questions]

    async def _call(self, questions: Sequence[int]) -> list[int]:
        self.asked.append([*questions])
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return [10 * question for question in questions]


async def turn() -> None:
    """Lets everything go as far as it can without anything from outside."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_while_a_call_is_in_flight_shares_the_next() -> None:
    calls = Calls()
    first = calls.ask(1)
    await turn()
    others = calls.ask(2, 3)
    await turn()
    assert calls.asked == [[1]]

    calls.go_on.set()
    assert await asyncio.gather(*first, *others) == [10, 20, 30]
    assert calls.asked == [[1], [2, 3]]


async def test_no_call_has_more_than_its_share() -> None:
    calls = Calls(at_once=2)
    calls.go_on.set()

    assert await asyncio.gather(*calls.ask(1, 2, 3, 4, 5)) == [10, 20, 30, 40, 50]
    assert max(map(len, calls.asked)) == 2


async def test_an_error_is_for_those_who_shared_the_call_alone() -> None:
    calls = Calls()
    first = calls.ask(1)
    await turn()
    calls.error = ValueError("no")
    calls.go_on.set()
    with pytest.raises(ValueError, match="no"):
        await first[0]

    calls.error = None
    assert await asyncio.gather(*calls.ask(2)) == [20]


async def test_who_is_cancelled_takes_nobody_along() -> None:
    calls = Calls()
    cancelled, other = calls.ask(1, 2)
    await turn()
    cancelled.cancel()
    calls.go_on.set()

    assert await other == 20
    assert cancelled.cancelled()


async def test_nobody_waits_for_longer_than_a_call_may_take() -> None:
    calls = Calls(at_once=1, within_s=0.01)
    first, second = calls.ask(1, 2)

    for asked in (first, second):
        with pytest.raises(TimeoutError):
            await asked
    assert calls.asked == [[1]]
    calls.go_on.set()
    await turn()
    assert calls.asked == [[1], [2]]


async def test_an_error_that_nobody_waits_for_any_more_is_no_complaint() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
    calls = Calls()
    (asked,) = calls.ask(1)
    await turn()
    asked.cancel()
    calls.error = ValueError("no")
    calls.go_on.set()
    await turn()
    gc.collect()

    assert complaints == []


async def test_a_call_that_is_cancelled_leaves_nobody_waiting() -> None:
    calls = Calls()
    calls.error = asyncio.CancelledError()
    calls.go_on.set()
    (asked,) = calls.ask(1)

    await asyncio.wait([asked], timeout=60)
    assert asked.cancelled()
    calls.error = None
    assert await asyncio.gather(*calls.ask(2)) == [20]


async def test_no_call_goes_on_after_the_end() -> None:
    calls = Calls(at_once=1)
    asking = calls.ask(1, 2)
    await turn()

    await calls.shared.aclose()
    calls.go_on.set()
    await turn()

    assert all(task.cancelled() for task in asking)
    assert calls.asked == [[1]]
