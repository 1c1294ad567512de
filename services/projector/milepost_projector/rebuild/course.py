"""The course of a rebuild: fill, compare, switch, remove.

The new generation is filled beside the live one, lap after lap, each up to where the live one was
when the lap began. Once a lap is short, the live generation is closed, the rest is taken in, and
the metadata name the new one. Whenever the rebuild dies, the next one goes on with what is filled.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from uuid import uuid4

import msgspec

from milepost.errors import KafkaUnavailableError, MilepostError
from milepost.log_reader import LogReader
from milepost_projector.read_model import ReadModelUnavailableError, RedisReadModel
from milepost_projector.rebuild.comparison import Compared, Comparison
from milepost_projector.rebuild.filling import Filled, Lap, Source, fill
from milepost_projector.rebuild.generations import Generations, OverruledError
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.meta import Building, Meta

T = TypeVar("T")

SHORT_LAP_S: Final = 1.0
"""A lap that took no longer leaves little to be done while the live generation is closed."""
SWITCHES: Final = 5
"""Switches that are tried: projectors take one back that takes too long."""
TRIES: Final = 60
RETRY_INTERVAL_S: Final = 1.0
WATCH_INTERVAL_S: Final = 0.2


class MissingHistoryError(MilepostError):
    """The log does not go back to its beginning, so files would be lost."""

    def __init__(self, records: int) -> None:
        super().__init__(
            f"retention has taken away {records:,} records of the log: what they said would be "
            "lost. --accept-missing rebuilds from what is left"
        )


class AnotherLogError(MilepostError):
    """The live generation was built from another log than the one that Kafka has now."""

    def __init__(self, partition: int) -> None:
        super().__init__(
            f"the checkpoint of partition {partition} lies beyond the end of the log: "
            "the read model was built from another one"
        )


class SetBackError(MilepostError):
    """Redis has forgotten a switch, and nobody has noticed yet."""

    def __init__(self, generation: int) -> None:
        super().__init__(
            f"Redis has lost generation {generation}, which was live: "
            "start a projector, which fills it again"
        )


class Progress(Protocol):
    """Who is told how far it is."""

    def begin(self, what: str, total: int | None) -> None: ...
    def reach(self, done: int) -> None: ...
    def say(self, what: str) -> None: ...


@dataclass(frozen=True)
class Log:
    """The log as it was at the start."""

    reader: LogReader
    beginnings: Mapping[int, int]
    generation: int
    """The newest generation that the projectors' group knows of."""

    @property
    def partitions(self) -> int:
        return len(self.beginnings)


@dataclass(frozen=True)
class Means:
    """What a rebuild works with."""

    source: Source
    read_model: RedisReadModel
    log: Log
    pool: Executor
    """The processes that fill."""
    processes: int
    clock_s: Callable[[], float] = time.monotonic


@dataclass
class Rebuilt:
    """What a rebuild came to."""

    former: int
    generation: int
    records: int = 0
    """Records that it has read."""
    removed: int = 0
    """Keys of former generations that it has removed."""
    compared: Compared | None = None
    """None where the model has changed, and differences are what is wanted."""
    outcomes: dict[str, int] = field(default_factory=dict)


class Rebuild:
    """One run, by an owner of a name that no other run has."""

    def __init__(self, means: Means, owner: str, progress: Progress) -> None:
        self._means = means
        self._owner = owner
        self._progress = progress
        self._log = means.log
        self._generations = Generations(means.read_model)
        self._stored = b""
        self._meta: Meta
        self._building: Building
        self._comparison: Comparison | None = None
        self._rebuilt: Rebuilt

    async def run(self) -> Rebuilt:
        """Rebuild, whatever is there already of a new generation.

        Raises:
            NoReadModelError, AnotherLogError, MissingHistoryError: there is no way to.
            OverruledError: another rebuild has taken over.
            ReadModelUnavailableError, KafkaUnavailableError: for longer than is waited.
        """
        await self._begin()
        await self._fill()
        if self._comparison is not None:
            await self._compare(self._comparison)
        await self._switch_at_last()
        self._rebuilt.removed = await self._remove(self._meta.generation)
        return self._rebuilt

    async def _begin(self) -> None:
        """Take over the generation that was begun, if it is of this code, or begin one."""
        self._stored, meta = await self._generations.meta()
        if meta.generation < self._log.generation:
            raise SetBackError(self._log.generation)
        ours, building = (self._log.partitions, self._means.read_model.model_version), meta.building
        if building is None or (building.partitions, building.model_version) != ours:
            building = Building(meta.next_generation, *ours, self._owner)
        self._building = msgspec.structs.replace(building, owner=self._owner)
        number = building.generation
        await self._change(
            msgspec.structs.replace(meta, highest=number, building=self._building, switch="")
        )
        if (meta.partitions, meta.model_version) == ours:
            self._comparison = Comparison(self._means.read_model, meta.generation, number)
        self._rebuilt = Rebuilt(meta.generation, number)
        self._progress.say(f"Filling generation {number} beside generation {meta.generation}")
        await self._remove(meta.generation, number)
        await self._generations.begin(number, self._log.beginnings)

    async def _fill(self, *, is_watched: bool = False) -> None:
        """Lap after lap, until one was short."""
        took_s = SHORT_LAP_S
        while took_s >= SHORT_LAP_S:
            began_s = self._means.clock_s()
            await self._lap(await self._goals(), is_watched=is_watched)
            took_s = self._means.clock_s() - began_s

    async def _goals(self) -> dict[int, int]:
        """Where the live generation is, or the end of the log if they are not to be compared."""
        # In this order: the live generation goes on, and so does the log.
        live = await self._persevere(self._live_checkpoints)
        ends = await self._persevere(lambda: self._log.reader.end_offsets(self._log.beginnings))
        if self._comparison is None:
            return ends
        for number, checkpoint in live.items():
            if checkpoint.next_offset > ends[number]:
                raise AnotherLogError(number)
        return {number: checkpoint.next_offset for number, checkpoint in live.items()}

    async def _lap(self, goals: Mapping[int, int], *, is_watched: bool) -> None:
        """Fill every partition up to its goal, in as many processes as are to be had."""
        positions = await self._persevere(self._positions)
        behind = {number: goal for number, goal in goals.items() if goal > positions[number]}
        if not behind:
            return
        self._rebuilt.records += sum(goal - positions[number] for number, goal in behind.items())
        self._progress.begin("Filling", sum(goals.values()))
        self._progress.reach(sum(positions.values()))
        watching = asyncio.create_task(self._watch())
        shares = [
            dict([*behind.items()][at :: self._means.processes])
            for at in range(self._means.processes)
        ]
        try:
            laps = [self._share(share, is_watched=is_watched) for share in shares if share]
            for filled in await asyncio.gather(*laps):
                self._take_in(filled)
        finally:
            watching.cancel()
        self._progress.reach(sum(goals.values()))

    async def _share(self, goals: Mapping[int, int], *, is_watched: bool) -> Filled:
        building = self._building
        lap = Lap(self._means.source, building.generation, building.partitions, goals, is_watched)
        loop = asyncio.get_running_loop()
        return await self._persevere(lambda: loop.run_in_executor(self._means.pool, fill, lap))

    def _take_in(self, filled: Filled) -> None:
        for outcome, records in filled.outcomes.items():
            self._rebuilt.outcomes[outcome] = self._rebuilt.outcomes.get(outcome, 0) + records
        if self._comparison is not None:
            self._comparison.touch(filled.touched)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            try:
                positions = await self._positions()
            except ReadModelUnavailableError:
                continue
            self._progress.reach(sum(positions.values()))

    async def _compare(self, comparison: Comparison) -> None:
        self._progress.begin("Comparing", None)
        await self._persevere(lambda: comparison.look(self._progress.reach))
        await self._fill(is_watched=True)

    async def _switch_at_last(self) -> None:
        """Switch; again, if the projectors took it back because it lasted too long."""
        for switch in range(1, SWITCHES + 1):
            try:
                await self._switch()
            except OverruledError:
                self._stored, meta = await self._generations.meta()
                if meta.building != self._building or switch == SWITCHES:
                    raise
                self._meta = meta
                self._progress.say("The projectors took the switch back; once more")
                await self._fill(is_watched=True)
            else:
                return

    async def _switch(self) -> None:
        """Close the live generation, take in the rest, name the new one: in this order."""
        former, building = self._meta, self._building
        switch = uuid4().hex
        await self._change(msgspec.structs.replace(former, switch=switch))
        closed = {
            number: await self._generations.close(former.generation, number, switch)
            for number in range(former.partitions)
        }
        self._progress.say(f"Generation {former.generation} is closed")
        await self._finish(closed)
        ours = (building.generation, building.partitions, building.model_version)
        await self._change(Meta(*ours, highest=building.generation))
        self._progress.say(f"Generation {building.generation} is live")

    async def _finish(self, closed: Mapping[int, Checkpoint]) -> None:
        """Reach what was closed, claim no less than it could, and look again at what differed."""
        goals = {number: checkpoint.next_offset for number, checkpoint in closed.items()}
        await self._lap(goals if self._comparison else await self._goals(), is_watched=True)
        if len(closed) == self._building.partitions:
            for number, checkpoint in closed.items():
                await self._generations.adopt(self._building.generation, number, checkpoint)
        if self._comparison is not None:
            positions = await self._positions()
            level = {number: at for number, at in goals.items() if positions[number] == at}
            self._rebuilt.compared = await self._comparison.look_again(level)

    async def _change(self, meta: Meta) -> None:
        self._stored = await self._generations.change(self._stored, meta)
        self._meta = meta

    async def _remove(self, *keep: int) -> int:
        self._progress.begin("Removing what is left of other generations", None)
        return await self._persevere(
            lambda: self._generations.remove(keep, max(keep), self._progress.reach)
        )

    async def _live_checkpoints(self) -> dict[int, Checkpoint]:
        return await self._generations.checkpoints(self._meta.generation, self._meta.partitions)

    async def _positions(self) -> dict[int, int]:
        building = self._building
        found = await self._generations.checkpoints(building.generation, building.partitions)
        return {number: checkpoint.next_offset for number, checkpoint in found.items()}

    async def _persevere(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call while Redis or Kafka is away, for a minute or so."""
        for left in reversed(range(TRIES)):
            try:
                return await call()
            except (ReadModelUnavailableError, KafkaUnavailableError) as error:
                if not left:
                    raise
                self._progress.say(f"Not now: {error}")
            await asyncio.sleep(RETRY_INTERVAL_S)
        raise AssertionError("the last try returns or raises")
