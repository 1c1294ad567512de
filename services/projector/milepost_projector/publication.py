"""Brings the status topic up to the read model: one partition, beside the projection.

The published position is kept in Redis next to the checkpoint. Documents come from memory; where
there are none, after a start or when too many have gathered, the log says which files changed
since the published position, and Redis what they are now.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from milepost.errors import KafkaUnavailableError, OffsetGoneError
from milepost.log_reader import LogReader, Record
from milepost_projector.metrics import Metrics
from milepost_projector.partition import Partition
from milepost_projector.read_model import NO_CHECKPOINT, RedisReadModel
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.record import decode_record

MIN_PAUSE_S: Final = 0.1
"""Between two transactions of a partition: each costs the brokers as much as many records."""
MAX_PAUSE_S: Final = 1.0
PAUSE_PER_DOCUMENT_S: Final = 0.003
"""In a backlog the same files change again and again: pauses make one publication of several."""
MAX_PENDING: Final = 5_000
"""Documents that wait in memory; with more, they are read from Redis when their turn comes."""
CHUNK_RECORDS: Final = 2_000

log = structlog.get_logger()


class PublishedElsewhereError(Exception):
    """Another owner has moved the published position, or Redis has lost it."""


class Means(NamedTuple):
    """Where documents go, where those come from that memory does not have, and who counts them."""

    topic: StatusTopic
    read_model: RedisReadModel
    log: LogReader
    metrics: Metrics


class Publication:
    """The status topic's part of one partition; `published` never passes what Redis has applied.

    `run` goes on until it is cancelled. While the partition is recovering it publishes nothing.
    """

    def __init__(
        self, partition: Partition, means: Means, published: int, checkpoint: Checkpoint
    ) -> None:
        self.number = partition.number
        self.published = published
        self.committed = 0
        """The group's committed offset: it says how far the model once was, so it stays."""
        self._partition = partition
        self._means = means
        self._applied = checkpoint.next_offset
        self._recover_to = checkpoint.recover_to
        self._pending: dict[bytes, bytes] | None = {} if self.is_complete else None
        self._news = asyncio.Event()
        self._advanced = asyncio.Condition()
        if not self.is_complete:
            self._news.set()

    @property
    def is_held(self) -> bool:
        return self._applied < self._recover_to

    @property
    def is_complete(self) -> bool:
        return self.published >= self._applied

    async def completed(self) -> None:
        """Return once the status topic is complete, or when nothing may be published."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.is_held or self.is_complete)

    def offer(self, revised: Mapping[bytes, bytes], applied: int) -> None:
        """Take the values of revised files, which the read model has by now, at this offset."""
        self._applied = max(applied, self._applied)
        if self._pending is not None:
            self._pending.update(revised)
            if len(self._pending) > MAX_PENDING:
                self._pending = None
        self._news.set()

    async def run(self) -> None:
        """Publish whatever is offered.

        Raises:
            ProducerFencedError, PublishedElsewhereError: somebody else owns the partition.
            KafkaUnavailableError, ReadModelUnavailableError: run it again later.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            if self.is_held or self.is_complete:
                continue
            published = await self._publish()
            if self._pending is None:
                self._news.set()
                continue
            pause_s = max(MIN_PAUSE_S, published * PAUSE_PER_DOCUMENT_S)
            await asyncio.sleep(min(pause_s, MAX_PAUSE_S))

    async def _publish(self) -> int:
        """Publish what there is, as far as one transaction goes; how many documents it was."""
        documents, reached = await self._take()
        try:
            if documents:
                await self._means.topic.publish(self._partition, documents)
                self._means.metrics.published(len(documents))
            await self._advance(reached)
        except BaseException:
            # What was taken is not in memory any more.
            self._pending = None
            self._news.set()
            raise
        return len(documents)

    async def _take(self) -> tuple[Sequence[Document], int]:
        """What to publish next, and the position that is complete after it."""
        if self._pending is None:
            return await self._read(self._applied)
        pending, self._pending = self._pending, {}
        return [*map(decode_record, pending.values())], self._applied

    async def _read(self, applied: int) -> tuple[Sequence[Document], int]:
        """The documents that changed next after the published position, and the one after them."""
        records, position = await self._next_records(applied)
        reached = min(position, applied)
        names = [*{record.key for record in records if record.key and record.offset < applied}]
        stored, documents = await self._means.read_model.load(self._partition.keys, names)
        # A Redis that lost its tail has older documents than the topic may have already.
        if stored == NO_CHECKPOINT or Checkpoint.decode(stored).next_offset < applied:
            raise PublishedElsewhereError(f"Redis is back at {stored.decode()}, not at {applied}")
        if reached == self._applied:
            # All that was offered so far is in Redis, and has just been read.
            self._pending = {}
        return [*documents.values()], reached

    async def _next_records(self, applied: int) -> tuple[Sequence[Record], int]:
        """What the log has after the published position, and the position after that."""
        try:
            return await self._means.log.records(self.number, self.published, CHUNK_RECORDS)
        except OffsetGoneError as error:
            gone = error
        beginning = (await self._means.log.beginning_offsets([self.number]))[self.number]
        if beginning <= self.published:
            raise KafkaUnavailableError(str(gone)) from gone
        missing = min(beginning, applied) - self.published
        log.error("statuses_missing", partition=self.number, records=missing)
        return (), beginning

    async def _advance(self, reached: int) -> None:
        stored = await self._means.read_model.publish(self._partition.keys, self.published, reached)
        if stored != reached:
            raise PublishedElsewhereError(f"published to {stored}, not from {self.published}")
        self.published = reached
        async with self._advanced:
            self._advanced.notify_all()
