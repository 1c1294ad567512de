"""All that takes part in a campaign, and what can be done to it."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random

from milepost_local.process import Process
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.topics import PARTITIONS
from tests.faults.campaign.audit import MILEPOST
from tests.faults.campaign.load import EndlessLoad
from tests.faults.campaign.readers import RollingReaders
from tests.faults.stand import Stand

RECOVERS_WITHIN_S = 120.0
REBUILD = (str(MILEPOST), "rebuild", "--data", "no-stack", "--processes", "1")
WRONG = re.compile(r"compared, (?!0 differed)")
"""In what a rebuild says in the end, if the generation that it replaced was damaged."""


class Arena:
    """One stand with a changing number of projectors, and an older state of its Redis."""

    def __init__(self, stand: Stand, load: EndlessLoad, readers: RollingReaders) -> None:
        self.stand = stand
        self.load = load
        self.readers = readers
        self.projectors = [stand.projector]
        self.crashes: list[str] = []
        """Processes that ended although nobody did anything to them."""
        self.differing: list[str] = []
        """What rebuilds found wrong in the generation that was live."""
        self._made = 1

    def add_projector(self) -> Process:
        self._made += 1
        projector = self.stand.new_projector(f"projector-{self._made}")
        projector.launch()
        self.projectors.append(projector)
        return projector

    async def remove_projector(self, projector: Process, *, at_once: bool) -> None:
        self.projectors.remove(projector)
        if at_once:
            projector.kill()
        else:
            await projector.stop()

    def any_projector(self, lot: Random) -> Process:
        return lot.choice(self.projectors)

    @staticmethod
    def send(process: Process, number: signal.Signals) -> None:
        """Signal a process, if it still is one."""
        if process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def _relaunch_crashed(self) -> None:
        for projector in self.projectors:
            if projector.pid is None:
                self.crashes.append(projector.name)
                projector.launch()

    def launch_rebuild(self) -> Process:
        self._made += 1
        rebuild = self.stand.new_rebuild(f"rebuild-{self._made}", *REBUILD)
        rebuild.launch()
        return rebuild

    @staticmethod
    async def has_come_to(stage: str, rebuild: Process) -> None:
        """Return once a rebuild has said that it is there, or has ended."""
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while rebuild.pid is not None and stage not in rebuild.log.read_text():  # noqa: ASYNC110  a condition has no event
                await asyncio.sleep(0.01)

    async def finish(self, rebuild: Process) -> None:
        """Return once a rebuild is done; one that has ended before is begun again."""
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while await rebuild.wait():
                rebuild.launch()
        told = rebuild.log.read_text()
        self.crashes += [rebuild.name] * ("Traceback" in told)
        self.differing += [
            f"{rebuild.name}: {line}" for line in told.splitlines() if WRONG.search(line)
        ]

    @property
    def redis_data(self) -> Path:
        return self.stand.redis.log.parent.parent / "redis" / "appendonlydir"

    @property
    def kept_data(self) -> Path:
        return self.redis_data.parent.parent / "older-redis"

    def keep_redis(self) -> None:
        """Copy the data of Redis as they are now, in place of the copy before."""
        with tempfile.TemporaryDirectory(dir=self.kept_data.parent) as directory:
            copy = Path(directory) / "copy"
            while not self._is_copied(copy):
                shutil.rmtree(copy, ignore_errors=True)
            shutil.rmtree(self.kept_data, ignore_errors=True)
            copy.rename(self.kept_data)

    def _is_copied(self, copy: Path) -> bool:
        """Whether no rewrite of the files came in between."""
        manifest = self.redis_data / "appendonly.aof.manifest"
        before = manifest.read_bytes()
        try:
            shutil.copytree(self.redis_data, copy)
        except shutil.Error:
            return False
        return manifest.read_bytes() == before

    async def put_back_redis(self) -> None:
        """Go on with the older data, as after a failover or a restored backup."""
        self.stand.redis.kill()
        shutil.rmtree(self.redis_data)
        shutil.copytree(self.kept_data, self.redis_data)
        await self.stand.redis.start()

    async def recovered(self) -> None:
        """Return once readers are answered and all acknowledged until now is in the read model."""
        ends = dict(self.load.ends)
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while not (await self._has_applied(ends) and await self.readers.is_ready()):
                self._relaunch_crashed()
                await asyncio.sleep(0.02)

    async def rest(self) -> int:
        """Pause the load; the live generation once everything has been taken in."""
        await asyncio.to_thread(self.load.pause)
        await self.recovered()
        return await self.generation()

    async def reached(self, ends: dict[int, int]) -> None:
        """Return once the read model and the status topic are complete up to these offsets."""
        async with asyncio.timeout(RECOVERS_WITHIN_S):
            while not await self._has_applied(ends, published=True):
                self._relaunch_crashed()
                await asyncio.sleep(0.02)

    async def generation(self) -> int:
        async with self.stand.world.redis() as redis:
            stored = await redis.get(Keys(self.stand.world.name).meta)
        return Meta.decode(stored).generation if stored else 0

    async def _has_applied(self, ends: dict[int, int], *, published: bool = False) -> bool:
        generation = await self.generation()
        keys = [Keys(self.stand.world.name).partition(generation, n) for n in range(PARTITIONS)]
        async with self.stand.world.redis() as redis:
            if published:
                stored = await redis.mget([each.published for each in keys])
                reached = [int(value or -1) for value in stored]
            else:
                stored = await redis.mget([each.checkpoint for each in keys])
                reached = [
                    Checkpoint.decode(value).next_offset if value else -1 for value in stored
                ]
        return all(reached[number] >= end for number, end in ends.items())
