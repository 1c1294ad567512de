"""Calls that many share: what is asked while one is in flight goes out together in the next."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

_Asked = list[tuple[Q, asyncio.Future[A]]]

TURNS_BETWEEN_CALLS: Final = 3
"""Of the event loop: the answers go out, the next requests come in, and they ask. So they go along
with the next call, which is shared by more of them."""


class SharedCalls(Generic[Q, A]):
    """Keeps one call in flight while anybody waits.

    A call that fails fails for all who share it, and for nobody else. Who is cancelled takes
    nobody along.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Q]], Coroutine[Any, Any, Sequence[A]]],
        *,
        at_once: int,
        within_s: float,
    ) -> None:
        """`call` answers up to `at_once` questions, in their order.

        Nobody waits for longer than `within_s`, the wait for other calls included.
        """
        self._call = call
        self._at_once = at_once
        self._within_s = within_s
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._calling: asyncio.Task[Sequence[A]] | None = None

    async def ask(self, question: Q) -> A:
        """The answer, or what the call raised.

        Raises:
            TimeoutError: there was none within the time that is given for it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if self._calling is None:
            self._start()
        # Half the price of `asyncio.timeout`, which can end more than a future.
        deadline = loop.call_later(self._within_s, _give_up, future)
        try:
            return await future
        finally:
            deadline.cancel()

    async def aclose(self) -> None:
        """End the calls in hand; who waits for one is cancelled. Nobody may ask any more."""
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.wait([self._calling])

    def _start(self, after_turns: int = 0) -> None:
        asked: _Asked[Q, A] = []
        call = self._call_next(asked, after_turns)
        self._calling = asyncio.get_running_loop().create_task(call)
        self._calling.add_done_callback(partial(self._end, asked))

    async def _call_next(self, asked: _Asked[Q, A], after_turns: int) -> Sequence[A]:
        for _ in range(after_turns):
            await asyncio.sleep(0)
        size = min(len(self._waiting), self._at_once)
        asked += [self._waiting.popleft() for _ in range(size)]
        return await self._call([question for question, _ in asked])

    def _end(self, asked: _Asked[Q, A], calling: asyncio.Task[Sequence[A]]) -> None:
        """Nobody is left waiting, whatever ended the call."""
        self._calling = None
        if self._waiting:
            self._start(TURNS_BETWEEN_CALLS)
        # Asked for even if nobody waits any more: asyncio complains of errors nobody has seen.
        error = None if calling.cancelled() else calling.exception()
        for number, (_, future) in enumerate(asked):
            if future.done():
                continue
            if calling.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(calling.result()[number])


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
