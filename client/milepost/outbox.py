"""Records on their way to the log: waiting for a producer, or sent and not acknowledged yet."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka.structs import RecordMetadata

from milepost.errors import PublishError

Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]
"""Key, value and headers; `milepost_schemas.codec.EncodedRecord` is one."""


class Position(NamedTuple):
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int


class Pending:
    """A record on its way; `sent` is set while a producer has it."""

    __slots__ = ("acknowledged", "expiry", "record", "sent", "topic")

    def __init__(self, record: Record, topic: str, acknowledged: asyncio.Future[Position]) -> None:
        self.record = record
        self.topic = topic
        self.acknowledged = acknowledged
        self.expiry: asyncio.TimerHandle | None = None
        self.sent: asyncio.Future[RecordMetadata] | None = None

    @property
    def size_bytes(self) -> int:
        key, value, headers = self.record
        size = len(key or b"") + len(value or b"")
        return size + sum(len(name) + len(text or b"") for name, text in headers)


class Outbox:
    """Keeps the order of the records and the number of them within `capacity`.

    Whoever adds a record has acquired `room` for it; settling the record gives the room back.
    """

    def __init__(self, capacity: int) -> None:
        self.room = asyncio.Semaphore(capacity)
        self._wake = asyncio.Event()
        self._waiting: dict[Pending, None] = {}
        self._sent: dict[Pending, None] = {}

    def __iter__(self) -> Iterator[Pending]:
        return iter((*self._sent, *self._waiting))

    def add(self, pending: Pending) -> None:
        self._waiting[pending] = None
        self._wake.set()

    async def oldest(self) -> Pending:
        """The record to send next, which stays where it is; waits until there is one."""
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        return next(iter(self._waiting))

    def mark_sent(self, pending: Pending, sent: asyncio.Future[RecordMetadata]) -> None:
        """A producer has the record now, unless nobody wants it any more."""
        if self._waiting.pop(pending, self) is not self:
            pending.sent = sent
            self._sent[pending] = None

    def take_back(self) -> None:
        """Let what was not acknowledged wait again, before what waits already."""
        for pending in self._sent:
            pending.sent = None
        # Before, not behind: no key may change its order.
        self._waiting = {**self._sent, **self._waiting}
        self._sent = {}

    def settle(self, pending: Pending, outcome: Position | PublishError) -> None:
        """Say how it went, once, and make room for another record."""
        if pending.acknowledged.done():
            return
        if isinstance(outcome, Position):
            pending.acknowledged.set_result(outcome)
        else:
            pending.acknowledged.set_exception(outcome)
            pending.acknowledged.exception()  # seen: the publish call may have been cancelled
        if pending.expiry is not None:
            pending.expiry.cancel()
        self._waiting.pop(pending, None)
        self._sent.pop(pending, None)
        self.room.release()
