"""Opens partitions: takes each over from the checkpoint that Redis has of it."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from milepost.consumer import Consumer
from milepost.errors import KafkaUnavailableError, OffsetGoneError
from milepost_projector.log_identity import LogIdentity
from milepost_projector.metrics import Metrics
from milepost_projector.opening import (
    LogBounds,
    WrongLogError,
    decide,
    marked_offset,
    newest_generation,
    verify,
)
from milepost_projector.partition import Partition, PartitionFold
from milepost_projector.publication import Means, Publication
from milepost_projector.read_model import NO_CHECKPOINT, ReadModelUnavailableError, RedisReadModel
from milepost_projector.slices import Slice
from milepost_projector.status_topic import StatusTopic
from milepost_projector.switch import SwitchWatch
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.meta import Meta

log = structlog.get_logger()


class Opened(NamedTuple):
    """A partition that is taken over: its projection, and its part of the status topic."""

    fold: PartitionFold
    publication: Publication


class Opener:
    """Opens partitions of the live generation; remembers those that must stay closed."""

    def __init__(  # noqa: PLR0913  one for each thing that it works with
        self,
        consumer: Consumer,
        read_model: RedisReadModel,
        status_topic: StatusTopic,
        partitions: int,
        *,
        identity: LogIdentity,
        metrics: Metrics,
    ) -> None:
        self.identity = identity
        self.refused: set[int] = set()
        """Partitions whose log is not the one that the read model was built from."""
        self.switches = SwitchWatch(read_model)
        self._consumer = consumer
        self._read_model = read_model
        self._status_topic = status_topic
        self._partitions = partitions
        self._metrics = metrics

    async def open(self, partitions: Sequence[int]) -> list[Opened]:
        """What to go on with, without the partitions that cannot be opened right now.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis must not be written to.
            KafkaUnavailableError: Kafka is away.
        """
        # A Redis that was wiped or set back may not know the generation that readers have seen.
        known = newest_generation((await self._consumer.notes()).values())
        meta = await self._read_model.meta(self._partitions, at_least=known)
        self._consumer.note = str(meta.generation)
        if await self.switches.is_under_way() or not await self._still_own(partitions):
            return []
        # Before anything is read from the log: what is verified below is then true of this one.
        log_id = await self.identity.ask()
        # Before any position is read: what a former owner has not committed by now, it never will.
        await asyncio.gather(*map(self._status_topic.fence, partitions))
        beginnings = await self._consumer.log.beginning_offsets(partitions)
        ends = await self._consumer.log.end_offsets(partitions)
        committed = await self._consumer.committed(partitions)
        opened: list[Opened] = []
        for number in partitions:
            keys = self._read_model.keys.partition(meta.generation, number)
            bounds = LogBounds(beginnings[number], ends[number], committed[number])
            try:
                opened += await self._opened(
                    Partition(number, meta.generation, keys, log_id=log_id), bounds
                )
            except WrongLogError as error:
                log.error("wrong_log", partition=number, reason=str(error))  # noqa: TRY400  a finding
                self.refused.add(number)
                self._metrics.progress.refused[number] = str(error)
            except (KafkaUnavailableError, OffsetGoneError) as error:
                # The next attempt reads the bounds again.
                self._metrics.not_now(error)
                log.warning("not_now", partition=number, reason=str(error))
        # Redis may have been wiped since the first look. If it is wiped after this one, the
        # checkpoints are gone, too, and the partitions are opened anew.
        now = await self._read_model.meta(self._partitions)
        return opened if now.generation == meta.generation else []

    async def live_generation(self) -> int | None:
        """What the metadata name, None where Redis does not say.

        Another one than was opened is named after a switch, and when Redis has lost a switch but
        not what was written since. Not all partitions need to be of the same.
        """
        try:
            stored = await self._read_model.stored_meta()
        except ReadModelUnavailableError:
            return None
        return Meta.decode(stored).generation

    async def _still_own(self, partitions: Sequence[int]) -> bool:
        """Whether the group agrees: an owner that was frozen must not fence its successor."""
        epoch = self._consumer.epoch
        known = await self._consumer.committed(partitions)
        offsets = {number: offset or 0 for number, offset in known.items()}
        return await self._consumer.commit(offsets, epoch=epoch)

    async def _opened(self, partition: Partition, bounds: LogBounds) -> list[Opened]:
        """Take the partition over; empty if somebody else was faster."""
        checkpoint = await self._checkpoint(partition, bounds)
        if checkpoint is None:
            return []
        log.info(
            "partition_opened",
            partition=partition.number,
            next_offset=checkpoint.next_offset,
            recovering=checkpoint.is_recovering,
        )
        publication = await self._publication(partition, bounds, checkpoint)
        if publication is None:
            return []
        return [Opened(PartitionFold(partition, self._partitions, checkpoint), publication)]

    async def _checkpoint(self, partition: Partition, bounds: LogBounds) -> Checkpoint | None:
        """Where to go on from, as it is in Redis now; None if somebody else has moved it."""
        number, keys = partition.number, partition.keys
        stored = await self._read_model.checkpoint(keys)
        known = None if stored == NO_CHECKPOINT else Checkpoint.decode(stored)
        if known is not None and known.is_closed:
            if not await self.switches.is_dead(known.closed_by, partition.generation):
                return None
            known = known._replace(closed_by="")
        opening = decide(known, bounds)
        checkpoint = opening.checkpoint
        marked = marked_offset(checkpoint)
        if marked is not None and marked >= bounds.beginning:
            verify(checkpoint, await self._consumer.log.record(number, marked))
        if opening.missing:
            log.error("records_missing", partition=number, records=opening.missing)
            self._metrics.missing(number, opening.missing)
        written = checkpoint.encode()
        if written != stored:
            slice_ = Slice(number, stored, written, checkpoint.next_offset)
            if await self._read_model.write([slice_], [keys]) != [written]:
                return None
        return checkpoint

    async def _publication(
        self, partition: Partition, bounds: LogBounds, checkpoint: Checkpoint
    ) -> Publication | None:
        """The status topic's part, from where it is complete; None if somebody else has moved it.

        What retention took away unpublished is only said.
        """
        stored = await self._read_model.published(partition.keys)
        if stored < bounds.beginning:
            missing = bounds.beginning - stored
            log.error("statuses_missing", partition=partition.number, records=missing)
        # A Redis that was set back and then forward again does not know that older documents were
        # published meanwhile; up to the group's offset none ever were.
        published = max(bounds.beginning, min(stored, bounds.committed or 0))
        if published != stored:
            moved = await self._read_model.publish(partition.keys, stored, published)
            if moved != published:
                return None
        means = Means(self._status_topic, self._read_model, self._consumer.log, self._metrics)
        publication = Publication(partition, means, published, checkpoint)
        publication.committed = bounds.committed or 0
        return publication
