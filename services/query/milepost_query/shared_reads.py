"""Reads that many requests share: who arrives while one is in flight joins the next."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from milepost_primaries.shared_calls import TURNS_BETWEEN_CALLS
from milepost_query.freshness import Freshness, Partition
from milepost_query.layout import Layout, Location
from milepost_query.status import Status


class NotReadyError(Exception):
    """The read model cannot be answered from now; `reason` is for logs and readiness checks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Finding(NamedTuple):
    """What is stored at one place of a generation, not looked into yet."""

    location: Location
    value: bytes | None
    freshness: Freshness

    def status(self) -> Status | None:
        """What the value says; None if the organization has no such file in that store.

        Raises:
            NotReadyError: The partition is not answered from.
            ValueError: The value is none that a projector writes.
        """
        if self.freshness.obstacle is not None:
            raise NotReadyError(self.freshness.obstacle)
        return self.location.status(self.value)


class SharedRead:
    """One round trip: what is asked for, then what was answered, all at one point in time."""

    __slots__ = (
        "_create_future",
        "_waiting",
        "files",
        "freshness",
        "layout",
        "partitions",
        "values",
    )

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.partitions: dict[Partition, None] = {}
        self.layout: Layout | None = None
        self.freshness: dict[Partition, Freshness] = {}
        self.values: dict[str, bytes | None] = {}
        self._create_future = asyncio.get_running_loop().create_future
        self._waiting: list[asyncio.Future[None]] = []

    def answer_for(self, file_key: str, partition: Partition) -> asyncio.Future[None]:
        """Asks for a file and for the checkpoint of its partition."""
        self.files[file_key] = None
        self.partitions[partition] = None
        return self.answered()

    def add(self, locations: Iterable[Location]) -> None:
        """Asks for several files and for the checkpoints of their partitions."""
        for location in locations:
            self.files[location.key] = None
            self.partitions[location.partition] = None

    def finding(self, location: Location) -> Finding:
        """What was answered for one of them."""
        return Finding(location, self.values[location.key], self.freshness[location.partition])

    def add_checkpoints(self, partitions: Iterable[Partition]) -> None:
        """Asks for the checkpoints alone."""
        self.partitions.update(dict.fromkeys(partitions))

    def answered(self) -> asyncio.Future[None]:
        """Done when the answer is there.

        One future for each request: the cancellation of one must not reach the others.
        """
        future = self._create_future()
        self._waiting.append(future)
        return future

    def resolve(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def fail(self, error: BaseException) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)


class SharedReads:
    """Keeps one read in flight while there is anything to read."""

    def __init__(self, fetch: Callable[[SharedRead], Awaitable[None]]) -> None:
        """`fetch` fills in the answer of a read, or raises for all who share it."""
        self._fetch = fetch
        self._next: SharedRead | None = None
        self._in_flight: SharedRead | None = None
        self._reading: asyncio.Task[None] | None = None

    def next(self) -> SharedRead:
        """The read that starts next. Ask and wait for it before anything else is awaited."""
        if self._next is None:
            self._next = SharedRead()
            if self._reading is None:
                self._start()
        return self._next

    async def aclose(self) -> None:
        """Ends the reads in hand; who waits for one is cancelled. Nobody may ask any more."""
        if self._next is not None:
            self._next.fail(asyncio.CancelledError())
            self._next = None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def _start(self) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read_on())
        self._reading.add_done_callback(self._end)

    async def _read_on(self) -> None:
        """Reads as long as somebody waits."""
        while (read := self._next) is not None:
            self._in_flight, self._next = read, None
            try:
                await self._fetch(read)
            except NotReadyError as error:
                read.fail(error)
            else:
                read.resolve()
            for _ in range(TURNS_BETWEEN_CALLS):
                await asyncio.sleep(0)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Nobody is left waiting, whatever ended the task; who came since gets a new one."""
        self._reading = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and self._in_flight is not None:
            self._in_flight.fail(error)
        if self._next is not None:
            self._start()
