"""Opens partitions: takes each over from the checkpoint that Redis has of it."""

from collections.abc import Sequence

import structlog

from milepost.consumer import Consumer
from milepost.errors import KafkaUnavailableError
from milepost_projector.opening import LogBounds, WrongLogError, decide, marked_offset, verify
from milepost_projector.partition import PartitionFold
from milepost_projector.read_model import NO_CHECKPOINT, RedisReadModel
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import PartitionKeys

log = structlog.get_logger()


class Opener:
    """Opens partitions of the live generation; remembers those that must stay closed."""

    def __init__(self, consumer: Consumer, read_model: RedisReadModel, partitions: int) -> None:
        self.refused: set[int] = set()
        """Partitions whose log is not the one that the read model was built from."""
        self._consumer = consumer
        self._read_model = read_model
        self._partitions = partitions

    async def open(self, partitions: Sequence[int]) -> list[PartitionFold]:
        """The folds to go on with, without the partitions that cannot be opened right now.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis must not be written to.
            KafkaUnavailableError: Kafka is away.
        """
        meta = await self._read_model.meta(self._partitions)
        beginnings = await self._consumer.log.beginning_offsets(partitions)
        ends = await self._consumer.log.end_offsets(partitions)
        committed = await self._consumer.committed(partitions)
        opened: list[PartitionFold] = []
        for number in partitions:
            keys = self._read_model.keys.partition(meta.generation, number)
            bounds = LogBounds(beginnings[number], ends[number], committed[number])
            try:
                fold = await self._opened(number, keys, bounds)
            except WrongLogError as error:
                log.error("wrong_log", partition=number, reason=str(error))  # noqa: TRY400  a finding
                self.refused.add(number)
            except KafkaUnavailableError as error:
                log.warning("not_now", partition=number, reason=str(error))
            else:
                opened += [] if fold is None else [fold]
        # Redis may have been wiped since the first look. If it is wiped after this one, the
        # checkpoints are gone, too, and the partitions are opened anew.
        await self._read_model.meta(self._partitions)
        return opened

    async def _opened(
        self, number: int, keys: PartitionKeys, bounds: LogBounds
    ) -> PartitionFold | None:
        """Take the partition over, None if somebody else was faster."""
        stored = await self._read_model.checkpoint(keys)
        known = None if stored == NO_CHECKPOINT else Checkpoint.decode(stored)
        opening = decide(known, bounds)
        checkpoint = opening.checkpoint
        marked = marked_offset(checkpoint)
        if marked is not None and marked >= bounds.beginning:
            verify(checkpoint, await self._consumer.log.record(number, marked))
        if opening.missing:
            log.error("records_missing", partition=number, records=opening.missing)
        written = checkpoint.encode()
        if written != stored:
            slice_ = Slice(number, stored, written, checkpoint.next_offset)
            if await self._read_model.write([slice_], [keys]) != [written]:
                return None
        log.info(
            "partition_opened",
            partition=number,
            next_offset=checkpoint.next_offset,
            recovering=checkpoint.is_recovering,
        )
        return PartitionFold(number, self._partitions, keys, checkpoint)
