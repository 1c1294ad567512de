"""Publishing that outlives its producer: in order, with a deadline, nothing lost in silence."""

import asyncio
from types import TracebackType
from typing import Self

from milepost.connection import KafkaSettings
from milepost.errors import EventsLostError, NotOpenError, PublishError, PublishTimeoutError
from milepost.outbox import Outbox, Pending, Position, Record
from milepost.writer import Writer
from milepost_schemas.topics import EVENTS

__all__ = ["Position", "Publisher", "Record"]


class Publisher:
    """Publishes records to Kafka, acknowledged by all replicas in sync.

    The records of a key come into the log in the order of the `publish` calls. After a failure of
    the producer a record may stand there twice; the first ones keep the order. Closing waits for
    the acknowledgement of everything, within the deadline.

    Args:
        connection: The brokers. They need not be reachable yet.
        deadline_s: Seconds within which a record is acknowledged or `publish` raises.
        linger_ms: Milliseconds that a record may wait for others to share its request.
        max_record_bytes: Largest record to send; stay below the topic's `max.message.bytes`.
        capacity: Records on their way at once; further `publish` calls wait for room.
    """

    def __init__(
        self,
        connection: KafkaSettings,
        *,
        deadline_s: float = 30,
        linger_ms: int = 0,
        max_record_bytes: int = 1_000_000,
        capacity: int = 1_000,
    ) -> None:
        self._deadline_s = deadline_s
        self._outbox = Outbox(capacity)
        self._writer = Writer(
            connection, self._outbox, linger_ms=linger_ms, max_record_bytes=max_record_bytes
        )
        self._writing: asyncio.Task[None] | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._writer.run())
        self._writing.add_done_callback(self._on_writer_ended)
        self._is_open = True
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Wait for what is on its way.

        Raises:
            EventsLostError: something was not acknowledged by its deadline. While another error
                leaves the block, it becomes a note on that one.
        """
        lost = await self._close()
        if lost and error is None:
            raise EventsLostError(lost)
        if lost and error is not None:
            error.add_note(str(EventsLostError(lost)))

    async def publish(self, record: Record, topic: str = EVENTS.name) -> Position:
        """Publish a record and wait until it stands in the log.

        Cancelling the call does not take the record back.

        Raises:
            PublishTimeoutError: not acknowledged by the deadline; it may stand in the log or not.
            RecordTooLargeError: larger than `max_record_bytes`, or than the topic takes.
            RecordRefusedError: the brokers do not take it.
            NotOpenError: the publisher is not open.
        """
        loop = asyncio.get_running_loop()
        expires_at = loop.time() + self._deadline_s
        self._check_open()
        try:
            async with asyncio.timeout_at(expires_at):
                await self._outbox.room.acquire()
        except TimeoutError as error:
            raise self._timeout(topic) from error
        pending = Pending(record, topic, loop.create_future())
        pending.expiry = loop.call_at(expires_at, self._expire, pending)
        if self._is_open:
            self._outbox.add(pending)
        else:
            self._outbox.settle(pending, NotOpenError("the publisher was closed"))
        await asyncio.wait((pending.acknowledged,))
        return pending.acknowledged.result()

    def _check_open(self) -> None:
        if not self._is_open:
            raise NotOpenError("the publisher is not open")

    def _timeout(self, topic: str) -> PublishTimeoutError:
        return PublishTimeoutError(topic, self._deadline_s, self._writer.last_error)

    def _expire(self, pending: Pending) -> None:
        self._outbox.settle(pending, self._timeout(pending.topic))
        # A producer that lost every broker it knew never asks the bootstrap servers again, and
        # one that waits for a topic takes nothing else.
        self._writer.replace_producer("no acknowledgement")

    async def _close(self) -> int:
        """End the writer once nothing is left to do; the number of records that it had to leave."""
        self._is_open = False
        left = [pending.acknowledged for pending in self._outbox]
        try:
            if left:
                await asyncio.wait(left)
        finally:
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.wait((self._writing,))
        return sum(acknowledged.exception() is not None for acknowledged in left)

    def _on_writer_ended(self, writing: asyncio.Task[None]) -> None:
        """Leave nobody waiting for a writer that ended, whatever it ended of."""
        self._is_open = False
        bug = None if writing.cancelled() else writing.exception()
        for pending in self._outbox:
            reason = f"the writer failed: {bug!r}" if bug else "the publisher was closed"
            self._outbox.settle(pending, PublishError(reason))
