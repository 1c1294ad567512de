"""Reads one partition of a topic, forward from an offset, without a group."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError, MilepostError

BATCH_RECORDS: Final = 1_000
"""So few that they are still in the processor's caches when they are folded."""
POLL_S: Final = 0.02
PATIENCE_S: Final = 15.0
"""For as long, brokers may answer nothing at all."""


class Record(Protocol):
    """A record as librdkafka hands it out; each call makes the value anew."""

    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]:
        """The timestamp's type, and the time in ms since 1970."""

    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None: ...


_FINAL: Final = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001  librdkafka's own codes begin like that
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)


def new_consumer(connection: KafkaSettings, isolation_level: str = "read_committed") -> Consumer:
    """A consumer that commits nothing and joins nothing; usually it sees only what is committed."""
    return Consumer(
        connection.librdkafka_options()
        | {
            # The library wants a name although no group is ever joined.
            "group.id": "milepost.auditor",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "isolation.level": isolation_level,
            "allow.auto.create.topics": False,
            # A broker holds a fetch at the end of a partition for so long before it says so.
            "fetch.wait.max.ms": 20,
            # A full queue is looked at again after so long; the default of a second starves us.
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )


def written_ends(connection: KafkaSettings, topic: str, partitions: int) -> list[int]:
    """The offset after everything that was written to each partition, committed or not.

    A transaction is committed a little before its records become visible.

    Raises:
        KafkaUnavailableError: the brokers do not answer.
        ConsumerError: there is no such partition, or it must not be read.
    """
    consumer = new_consumer(connection, "read_uncommitted")
    try:
        return [_bounds(consumer, TopicPartition(topic, n))[1] for n in range(partitions)]
    finally:
        consumer.close()


def count_partitions(connection: KafkaSettings, topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        KafkaUnavailableError: the brokers do not answer.
        ConsumerError: there is no such topic.
    """
    consumer = new_consumer(connection)
    try:
        found = consumer.list_topics(topic, PATIENCE_S).topics[topic]
    except KafkaException as error:
        raise _translated(topic, error.args[0]) from error
    finally:
        consumer.close()
    if found.error is not None:
        raise _translated(topic, found.error)
    return len(found.partitions)


class TopicReader:
    """A partition as a sequence of records; below `position` all of them have been handed out.

    It begins with the oldest record that is left.
    """

    def __init__(self, connection: KafkaSettings, topic: str, partition: int) -> None:
        self.position = 0
        self.beginning = 0
        self.end = 0
        """Of what was there when the reader was opened."""
        self._name = f"{topic} {partition}"
        self._ahead: list[Record] = []
        self._end: int | None = None
        self._at = TopicPartition(topic, partition)
        self._consumer = new_consumer(connection)

    def __enter__(self) -> Self:
        try:
            self.beginning, self.end = self.bounds()
        except MilepostError:
            self._consumer.close()
            raise
        # Only now, and at a number: the library looks for an unknown leader twice a second.
        self._at.offset = self.position = self.beginning
        self._consumer.assign([self._at])
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def bounds(self) -> tuple[int, int]:
        """The offset of the oldest record that is left, and the one after the newest.

        Raises:
            KafkaUnavailableError: the brokers do not answer.
            ConsumerError: there is no such partition, or it must not be read.
        """
        return _bounds(self._consumer, self._at)

    def up_to(self, end: int) -> Iterator[list[Record]]:
        """All records from the position on and below an offset, which the log must reach.

        Raises:
            KafkaUnavailableError: the brokers do not answer, or the log does not reach so far.
            ConsumerError: the partition cannot be read.
        """
        while self.position < end:
            batch = self._ahead or self._next(min(BATCH_RECORDS, end - self.position))
            below = batch
            if batch and batch[-1].offset() >= end:
                below = [record for record in batch if record.offset() < end]
            self._ahead = batch[len(below) :]
            if self._ahead:
                self.position = end
            elif self._end is not None:
                # Nothing but markers of transactions lies between the last record and the end.
                self.position = max(self.position, self._end)
            elif below:
                self.position = below[-1].offset() + 1
            yield below

    def to_the_end(self) -> Iterator[list[Record]]:
        """All records up to the end of the partition as it is when it is met.

        None are looked for in a partition that was empty when the reader was opened.
        """
        while self._end is None and self.beginning < self.end:
            yield self._next(BATCH_RECORDS)

    def _next(self, wanted: int) -> list[Record]:
        """The next records, perhaps none if the end of the partition is met."""
        deadline = time.monotonic() + PATIENCE_S
        self._end = None
        while time.monotonic() < deadline:
            messages = self._consumer.consume(wanted, POLL_S)
            if messages:
                return self._accepted(messages)
        raise KafkaUnavailableError(f"{self._name}: nothing to read within {PATIENCE_S:g} s")

    def _accepted(self, messages: list[Message]) -> list[Record]:
        records = [cast("Record", each) for each in messages if each.error() is None]
        if len(records) == len(messages):
            return records
        for message in messages:
            error = message.error()
            if error is None:
                self._end = None
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                self._end = cast("Record", message).offset()
            else:
                raise _translated(self._name, error)
        return records


def _bounds(consumer: Consumer, at: TopicPartition) -> tuple[int, int]:
    name = f"{at.topic} {at.partition}"
    try:
        found = consumer.get_watermark_offsets(at, PATIENCE_S)
    except KafkaException as error:
        raise _translated(name, error.args[0]) from error
    if found is None:
        raise KafkaUnavailableError(f"{name}: no answer within {PATIENCE_S:g} s")
    return found


def _translated(what: str, error: KafkaError) -> KafkaUnavailableError | ConsumerError:
    kind = ConsumerError if error.code() in _FINAL else KafkaUnavailableError
    return kind(f"{what}: {error.str()}")
