"""From the outbox into Kafka, through one producer after another."""

import asyncio
import logging
from functools import partial

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import RecordMetadata

from milepost.connection import KafkaSettings
from milepost.errors import RecordRefusedError, RecordTooLargeError
from milepost.outbox import Outbox, Pending, Position
from milepost.producer import NULL, abandon, ended, start_producer

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSALS = (*_TOO_LARGE, InvalidTopicError, PolicyViolationError, TopicAuthorizationFailedError)
_RECONNECT_PAUSE_S = 0.25

_log = logging.getLogger(__name__)  # noqa: TID251  a library's logs go where its user says


class Writer:
    """Sends the outbox's records in their order and settles them.

    A producer that fails is abandoned; its successor is sent again, in order, what was not
    acknowledged.
    """

    def __init__(
        self, connection: KafkaSettings, outbox: Outbox, *, linger_ms: int, max_record_bytes: int
    ) -> None:
        self.last_error: str | None = None
        self._connection = connection
        self._outbox = outbox
        self._linger_ms = linger_ms
        self._max_record_bytes = max_record_bytes
        self._replace = asyncio.Event()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            producer = await self._connect()
            self._replace.clear()
            try:
                await self._write_until_replaced(producer)
            finally:
                await abandon(producer)
                self._outbox.take_back()
            _log.warning("the kafka producer is replaced: %s", self.last_error)
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    def replace_producer(self, reason: str) -> None:
        """Go on with a new producer; without effect while there is none."""
        self.last_error = reason
        self._replace.set()

    async def _connect(self) -> AIOKafkaProducer:
        while True:
            try:
                return await start_producer(
                    self._connection,
                    linger_ms=self._linger_ms,
                    max_record_bytes=self._max_record_bytes,
                )
            except (KafkaError, OSError) as error:
                self.last_error = _describe(error)
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _write_until_replaced(self, producer: AIOKafkaProducer) -> None:
        writing = asyncio.create_task(self._write(producer))
        replacing = asyncio.create_task(self._replace.wait())
        ending = asyncio.create_task(ended(producer))
        tasks = (writing, replacing, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                self.last_error = "the producer's sender has ended"
        finally:
            # A send that is cancelled before it returns was not taken up by the producer.
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not writing.cancelled():
            writing.result()

    async def _write(self, producer: AIOKafkaProducer) -> None:
        """Hand records to the producer, oldest first, until it raises."""
        while True:
            pending = await self._outbox.oldest()
            key, value, headers = pending.record
            try:
                sent = await producer.send(
                    pending.topic,
                    key=key,
                    value=NULL if value is None else value,
                    headers=[*headers],
                )
            except KafkaError as error:
                if self._refuse(pending, error):
                    continue
                self.last_error = _describe(error)
                return
            self._outbox.mark_sent(pending, sent)
            sent.add_done_callback(partial(self._on_answer, pending))

    def _on_answer(self, pending: Pending, sent: asyncio.Future[RecordMetadata]) -> None:
        """Take a producer's word for a record, but no failures of one that was replaced."""
        error = None if sent.cancelled() else sent.exception()
        if error is not None:
            if sent is pending.sent:
                self._refuse(pending, error)
                # The partition's sequence has a gap now: this producer cannot go on.
                self.replace_producer(_describe(error))
        elif not sent.cancelled():
            self.last_error = None
            metadata = sent.result()
            self._outbox.settle(
                pending, Position(metadata.topic, metadata.partition, metadata.offset)
            )

    def _refuse(self, pending: Pending, error: BaseException) -> bool:
        """Settle a record that the brokers never take; False if the error says no such thing."""
        if isinstance(error, _TOO_LARGE):
            refusal = RecordTooLargeError(pending.topic, pending.size_bytes, self._max_record_bytes)
            self._outbox.settle(pending, refusal)
        elif isinstance(error, _REFUSALS):
            self._outbox.settle(pending, RecordRefusedError(pending.topic, _describe(error)))
        return isinstance(error, _REFUSALS)


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
