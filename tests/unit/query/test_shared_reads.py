import asyncio

import pytest

from milepost_query.freshness import Highest, Partition
from milepost_query.shared_reads import SharedRead, SharedReads


class RecordedReads:
    """Answers each read only when it is told to."""

    def __init__(self) -> None:
        self.reads: list[SharedRead] = []
        self.answers: list[asyncio.Future[None]] = []
        self.shared = SharedReads(self._fetch)

    async def _fetch(self, read: SharedRead) -> None:
        self.reads.append(read)
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        read.values = {key: key.encode() for key in read.files}

    async def ask(self, key: str) -> bytes | None:
        read = self.shared.next()
        await read.answer_for(key, Partition("c", Highest()))
        return read.values[key]


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_arrives_while_a_read_is_in_flight_shares_the_next() -> None:
    recorded = RecordedReads()
    first = asyncio.create_task(recorded.ask("a"))
    await settle()
    others = [asyncio.create_task(recorded.ask(key)) for key in "bcb"]
    await settle()
    assert [list(read.files) for read in recorded.reads] == [["a"]]

    recorded.answers[0].set_result(None)
    await settle()
    assert [list(read.files) for read in recorded.reads] == [["a"], ["b", "c"]]
    recorded.answers[1].set_result(None)

    assert await first == b"a"
    assert await asyncio.gather(*others) == [b"b", b"c", b"b"]


async def test_who_arrives_together_shares_the_first_read() -> None:
    recorded = RecordedReads()
    asking = [asyncio.create_task(recorded.ask(key)) for key in "ab"]
    await settle()

    recorded.answers[0].set_result(None)

    assert await asyncio.gather(*asking) == [b"a", b"b"]
    assert len(recorded.reads) == 1


async def test_a_failed_read_fails_for_all_who_share_it_and_for_nobody_else() -> None:
    recorded = RecordedReads()
    sharing = [asyncio.create_task(recorded.ask(key)) for key in "ab"]
    await settle()
    later = asyncio.create_task(recorded.ask("c"))
    await settle()

    recorded.answers[0].set_exception(ValueError("lost"))
    await settle()
    recorded.answers[1].set_result(None)

    assert [type(error) for error in await asyncio.gather(*sharing, return_exceptions=True)] == [
        ValueError,
        ValueError,
    ]
    assert await later == b"c"


async def test_a_cancelled_request_leaves_the_others_alone() -> None:
    recorded = RecordedReads()
    cancelled = asyncio.create_task(recorded.ask("a"))
    other = asyncio.create_task(recorded.ask("b"))
    await settle()

    cancelled.cancel()
    await settle()
    recorded.answers[0].set_result(None)

    assert await other == b"b"
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_no_read_goes_on_after_the_end() -> None:
    recorded = RecordedReads()
    asking = [asyncio.create_task(recorded.ask("a"))]
    await settle()
    asking.append(asyncio.create_task(recorded.ask("b")))
    await settle()

    await recorded.shared.aclose()
    await settle()

    assert all(task.cancelled() for task in asking)
    assert all(answer.done() for answer in recorded.answers)
