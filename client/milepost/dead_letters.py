"""Dead letters: read from their topic, and sent back to where their records came from."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from milepost.admin import count_partitions
from milepost.connection import KafkaSettings
from milepost.errors import RecordTooLargeError
from milepost.log_reader import LogReader, Record
from milepost.outbox import Position
from milepost.publisher import Publisher
from milepost_schemas.dead_letter import (
    DeadLetterFacts,
    Headers,
    NotADeadLetterError,
    split_headers,
)
from milepost_schemas.topics import DEAD_LETTER

READ_RECORDS: Final = 500
SENT_AT_ONCE: Final = 100


@dataclass(frozen=True)
class DeadLetter:
    """A record that no projector can apply, as it was in the log, and why."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    facts: DeadLetterFacts
    position: Position
    """Where it stands in the dead-letter topic."""

    @property
    def source(self) -> str:
        """Who published the record, as its `ce_source` says; empty where it does not."""
        return (dict(self.headers).get("ce_source") or b"").decode(errors="replace")

    @property
    def is_by_reference(self) -> bool:
        """Whether the value was too large for the topic, so that only its digest is known."""
        return self.facts.digest is not None


class Selection(NamedTuple):
    """Which dead letters are meant; None stands for all."""

    reason: str | None = None
    source: str | None = None
    since_ms: int | None = None

    def has(self, letter: DeadLetter) -> bool:
        return (
            self.reason in (None, letter.facts.reason)
            and self.source in (None, letter.source)
            and (self.since_ms or 0) <= letter.facts.failed_at_ms
        )


class DeadLetterReader:
    """The dead letters that are there when it is entered; each of them once.

    Projectors publish at least once: a letter that says the same of the same source position as
    one before is left out. The positions that were read are remembered, 0.1 KB each.
    """

    def __init__(self, connection: KafkaSettings, topic: str = DEAD_LETTER.name) -> None:
        self.unreadable = 0
        """Records of the last reading that are no dead letters."""
        self._connection = connection
        self._topic = topic
        self._log = LogReader(connection, topic)
        self._bounds: dict[int, tuple[int, int]] = {}

    async def __aenter__(self) -> Self:
        """Fix the ends.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            ConsumerError: there is no such topic.
        """
        every = range(await count_partitions(self._connection, self._topic))
        await self._log.start()
        beginnings = await self._log.beginning_offsets(every)
        ends = await self._log.end_offsets(every)
        self._bounds = {number: (beginnings[number], ends[number]) for number in every}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._log.stop()

    async def read(self, selection: Selection) -> AsyncIterator[DeadLetter]:
        """The selected letters, partition by partition, in offset order."""
        self.unreadable = 0
        known: set[int] = set()
        for number, (beginning, end) in self._bounds.items():
            async for record in self._records(number, beginning, end):
                letter = self._letter(record, number)
                if letter is not None and selection.has(letter):
                    identity = _identity(letter)
                    if identity not in known:
                        known.add(identity)
                        yield letter

    async def _records(self, partition: int, at: int, end: int) -> AsyncIterator[Record]:
        while at < end:
            records, at = await self._log.records(partition, at, READ_RECORDS)
            for record in records:
                if record.offset < end:
                    yield record

    def _letter(self, record: Record, partition: int) -> DeadLetter | None:
        try:
            headers, facts = split_headers(record.headers)
        except NotADeadLetterError:
            self.unreadable += 1
            return None
        position = Position(self._topic, partition, record.offset)
        return DeadLetter(record.key, record.value, headers, facts, position)


async def send_back(letters: AsyncIterator[DeadLetter], publisher: Publisher) -> AsyncIterator[int]:
    """Publish the records to their source topics again, to the partitions of their keys.

    Sending twice is harmless: the event's id is the same. What is kept by reference is left out.
    Yields, after each batch, how many of it were acknowledged; a record that is too large for the
    topic by now is not.

    Raises:
        PublishError: a record was not acknowledged; those that were counted are sent.
    """
    batch: list[DeadLetter] = []
    async for letter in letters:
        if not letter.is_by_reference:
            batch.append(letter)
        if len(batch) == SENT_AT_ONCE:
            yield await _send(batch, publisher)
            batch = []
    yield await _send(batch, publisher)


async def _send(batch: Collection[DeadLetter], publisher: Publisher) -> int:
    async def send(letter: DeadLetter) -> bool:
        record = (letter.key, letter.value, letter.headers)
        try:
            await publisher.publish(record, letter.facts.source_topic)
        except RecordTooLargeError:
            return False
        return True

    return sum(await asyncio.gather(*map(send, batch)))


def _identity(letter: DeadLetter) -> int:
    facts = letter.facts
    position = (facts.source_topic, facts.source_partition, facts.source_offset)
    # The bytes tell apart two logs that had the same name.
    return hash((position, letter.key, letter.value))
