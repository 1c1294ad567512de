"""Fills partitions of a generation that nobody reads yet: one process's share of a rebuild.

It is the projection without everything that is for others: no group, no status topic, no hints, no
dead letters. A checkpoint moves with its data as ever, so whoever goes on starts from there.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import uvloop

from milepost.connection import KafkaSettings
from milepost.errors import MilepostError
from milepost_projector.memory import settle_memory
from milepost_projector.partition import Folded, Partition, PartitionFold
from milepost_projector.read_model import NO_CHECKPOINT, RedisReadModel
from milepost_projector.rebuild.log_batches import LogBatches, Part
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys

LOAD_KEYS: Final = 500
"""Documents of one read, so that Redis is never busy with one for long."""
GATHERED_RECORDS: Final = 24_000
"""Records of one batch: a file is written once for several events."""
DOCUMENTS_IN_MEMORY: Final = 2_000
"""Documents that a partition keeps after they were written."""


class OvertakenError(MilepostError):
    """Somebody else fills the same generation, or Redis has lost some of it."""


@dataclass(frozen=True)
class Source:
    """Where the log is, and where the read model."""

    kafka: KafkaSettings
    events_topic: str
    projector_group: str
    redis_url: str
    redis_prefix: str


@dataclass(frozen=True)
class Lap:
    """What one process fills in one go."""

    source: Source
    generation: int
    partitions: int
    """Partitions of the event topic, whichever of them are this lap's."""
    goals: Mapping[int, int]
    """The offset that each of the lap's partitions is to reach, exactly."""
    is_watched: bool = False
    """Whether the files that the lap's records are about are to be named."""


@dataclass
class Filled:
    """What a lap came to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    touched: dict[int, set[bytes]] = field(default_factory=dict)
    """The keys of a watched lap's records, by partition."""


def fill(lap: Lap) -> Filled:
    """Fill up to the goals; what is beyond them already stays as it is.

    Raises:
        OvertakenError: it is not the only one to write there.
        ReadModelUnavailableError, KafkaUnavailableError: do it again, it goes on from there.
        ConsumerError: the log cannot be read.
    """
    settle_memory()
    return uvloop.run(_fill(lap))


async def _fill(lap: Lap) -> Filled:
    source = lap.source
    read_model = RedisReadModel(source.redis_url, Keys(source.redis_prefix))
    try:
        with LogBatches(source.kafka, source.events_topic) as batches:
            return await Filling(lap, read_model, batches).run()
    finally:
        await read_model.close()


class Filling:
    """One lap: the next batch is folded while one is being written."""

    def __init__(self, lap: Lap, read_model: RedisReadModel, batches: LogBatches) -> None:
        self._lap = lap
        self._read_model = read_model
        self._batches = batches
        self._folds: dict[int, PartitionFold] = {}
        self._positions: dict[int, int] = {}
        self._batch = 0
        self._gathered = 0
        self._filled = Filled()
        self._writing: asyncio.Task[None] | None = None

    async def run(self) -> Filled:
        """Fill up to the goals, in one go."""
        await self._open()
        self._batches.seek(
            {number: (at, self._lap.goals[number]) for number, at in self._positions.items()}
        )
        try:
            while not self._is_done:
                await self._project()
        finally:
            if self._writing is not None:
                await asyncio.wait([self._writing])
        if self._writing is not None:
            self._writing.result()
        return self._filled

    async def _project(self) -> None:
        await self._fold(await self._batches.next())
        if self._gathered < GATHERED_RECORDS and not self._is_done:
            return
        if self._writing is not None:
            await self._writing
        self._writing = asyncio.create_task(self._write(self._cut()))

    @property
    def _is_done(self) -> bool:
        return all(at >= self._lap.goals[number] for number, at in self._positions.items())

    async def _open(self) -> None:
        for number in self._lap.goals:
            keys = self._read_model.keys.partition(self._lap.generation, number)
            stored = await self._read_model.checkpoint(keys)
            if stored == NO_CHECKPOINT:
                raise OvertakenError(f"partition {number} is not there any more")
            checkpoint = Checkpoint.decode(stored)
            partition = Partition(number, self._lap.generation, keys, is_live=False)
            self._folds[number] = PartitionFold(partition, self._lap.partitions, checkpoint)
            self._positions[number] = checkpoint.next_offset

    async def _fold(self, parts: Mapping[int, Part]) -> None:
        await self._load_unknown(parts)
        for number, part in parts.items():
            fold = self._folds[number]
            fold.fold(part.records)
            self._positions[number] = part.position
            self._gathered += len(part.records)
            if self._lap.is_watched:
                touched = self._filled.touched.setdefault(number, set())
                touched.update(record.key for record in part.records if record.key)
            # Folding holds the loop, and the write under way needs turns of it.
            await asyncio.sleep(0)

    async def _load_unknown(self, parts: Mapping[int, Part]) -> None:
        reads = [
            (fold, names[start : start + LOAD_KEYS])
            for number, part in parts.items()
            for fold in [self._folds[number]]
            for names in [fold.unknown(part.records)]
            for start in range(0, len(names), LOAD_KEYS)
        ]
        await asyncio.gather(*(self._load(fold, names) for fold, names in reads))

    async def _load(self, fold: PartitionFold, names: Sequence[bytes]) -> None:
        stored, documents = await self._read_model.load(fold.keys, names)
        if not fold.expects(stored):
            raise OvertakenError(f"partition {fold.number} is not where it was left")
        fold.know(documents)

    def _cut(self) -> list[tuple[PartitionFold, Folded]]:
        self._batch += 1
        self._gathered = 0
        work = [
            (fold, fold.cut(self._positions[fold.number], self._batch))
            for fold in self._folds.values()
            if fold.has_news(self._positions[fold.number])
        ]
        for fold, folded in work:
            fold.forget(DOCUMENTS_IN_MEMORY, self._batch - 1)
            self._filled.outcomes.update(folded.outcomes)
        return work

    async def _write(self, work: Sequence[tuple[PartitionFold, Folded]]) -> None:
        written = [(fold, folded.slices) for fold, folded in work if folded.slices]
        slices = [slice_ for _, of_one in written for slice_ in of_one]
        if not slices:
            return
        keys = [fold.keys for fold, of_one in written for _ in of_one]
        answers = await self._read_model.write(slices, keys)
        stored = {slice_.partition: answer for slice_, answer in zip(slices, answers, strict=True)}
        for fold, of_one in written:
            if stored[fold.number] != of_one[-1].checkpoint:
                raise OvertakenError(f"partition {fold.number} is not where it was left")
            fold.acknowledge(of_one[-1].checkpoint)
