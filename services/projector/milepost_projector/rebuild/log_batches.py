"""Reads parts of the log in large batches, outside any group.

librdkafka fetches and unpacks in threads of its own, which is faster here than aiokafka: nothing
has to be done beside it, and nobody waits for a single record.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import methodcaller
from typing import Any, Final, NamedTuple, Self

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError

BATCH_RECORDS: Final = 1_000
AHEAD_KIB: Final = 1_024
FETCH_BYTES: Final = 64 * 1024
"""Of a partition. So little is ahead that it is still in the processor's caches when it is folded:
with 32 MiB of it, folding takes up to twice as long."""
BATCH_TIMEOUT_S: Final = 0.1
SILENT_AFTER_S: Final = 30.0
"""Without a record, an end or an error for as long, Kafka counts as away."""

_OPTIONS: Final[dict[str, str | int | bool]] = {
    # It joins no group and commits nothing, but the client insists on a name.
    "group.id": "milepost.rebuild",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 50,
    # A full queue is looked at again after so long; the default of a second starves us.
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": AHEAD_KIB,
    "max.partition.fetch.bytes": FETCH_BYTES,
    "log_level": 0,
}


_PARTITION: Final = methodcaller("partition")


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of the log; millions of them are made, so the cheapest kind of object there is."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def _record(message: Any) -> LogRecord:  # noqa: ANN401  librdkafka's types allow None
    return LogRecord(
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),
    )


class Part(NamedTuple):
    """The next records of a partition that lie below its goal, and the offset to go on from."""

    records: list[LogRecord]
    position: int


class LogBatches:
    """The records of some partitions between two offsets each; a context manager."""

    def __init__(self, connection: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer({**connection.librdkafka_options(), **_OPTIONS})
        self._goals: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._silent_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def seek(self, ranges: Mapping[int, tuple[int, int]]) -> None:
        """Read these partitions, from the first offset up to the one before the second."""
        self._goals = {number: goal for number, (start, goal) in ranges.items() if start < goal}
        self._positions = {number: ranges[number][0] for number in self._goals}
        self._consumer.assign([self._at(*start) for start in self._positions.items()])

    async def next(self) -> dict[int, Part]:
        """What has come in, by partition; empty if nothing has.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            ConsumerError: trying again will not help.
        """
        left = sum(goal - self._positions[number] for number, goal in self._goals.items())
        if not left:
            return {}
        wanted = min(left, BATCH_RECORDS)
        # What is there already is taken without a thread, which would fight for the interpreter.
        return self._parts(self._consumer.consume(wanted, 0) or await self._waited_for(wanted))

    async def _waited_for(self, wanted: int) -> list[Any]:
        waiting = asyncio.ensure_future(
            asyncio.to_thread(self._consumer.consume, wanted, BATCH_TIMEOUT_S)
        )
        try:
            await asyncio.wait([waiting])
        finally:
            # The consumer must not be closed under its thread.
            await asyncio.wait([waiting])
        return waiting.result()

    def _parts(self, messages: Sequence[Any]) -> dict[int, Part]:
        self._silent_s = 0.0 if messages else self._silent_s + BATCH_TIMEOUT_S
        if self._silent_s >= SILENT_AFTER_S:
            raise KafkaUnavailableError(f"nothing to read in {self._topic}")
        records: dict[int, list[LogRecord]] = defaultdict(list)
        ends: dict[int, int] = {}
        for number, of_one in groupby(messages, _PARTITION):
            run = [*of_one]
            found = [_record(message) for message in run if message.error() is None]
            if found:
                records[number] += found
                ends[number] = found[-1].offset + 1
            if len(found) < len(run) and (end := self._end(number, run)) is not None:
                ends[number] = end
        return {
            number: self._part(number, records[number], end)
            for number, end in ends.items()
            if number in self._goals
        }

    def _end(self, number: int | None, run: Sequence[Any]) -> int | None:
        """Where the partition was found to end, if that is the last thing that the run says of it.

        Behind its last record may be marks of transactions. An error that is no partition's is the
        client's, which tries again.
        """
        end = None
        for message in run:
            error = message.error()
            if error is None:
                end = None
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  it is named so
                end = message.offset()
            elif number is not None:
                raise ConsumerError(f"read {self._topic} {number}: {error}")
        return end

    def _part(self, number: int, records: list[LogRecord], end: int) -> Part:
        goal = self._goals[number]
        self._positions[number] = end
        if end < goal:
            return Part(records, end)
        del self._goals[number]
        self._consumer.pause([self._at(number, goal)])
        return Part([record for record in records if record.offset < goal], goal)

    def _at(self, number: int, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, number, offset)
