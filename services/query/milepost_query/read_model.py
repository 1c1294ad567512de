"""The read model in Redis, as a reader sees it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from milepost_primaries.scattered_reads import ScatteredReads
from milepost_query.addresses import FileAddress
from milepost_query.connections import READ_TIMEOUT_S
from milepost_query.freshness import Freshness, Highest, Obstacle, Partition
from milepost_query.layout import Layout, Location
from milepost_query.shared_reads import Finding, NotReadyError, SharedRead, SharedReads
from milepost_query.status import Status
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta

INSPECT_INTERVAL_S: Final = 1.0

_LAYOUT_READS: Final = 3
"""Reads within one request that may find that the generation has just been switched."""

_log = structlog.get_logger()


Reading = tuple[Status | None, Freshness]
"""What one round trip says of a file; None if the organization has no such file in that store."""


class Survey(NamedTuple):
    """The state of all partitions of the live generation."""

    meta: Meta
    obstacles: dict[int, Obstacle]
    """The partitions that are not answered from."""


class ReadModel:
    """Reads documents together with their partition's checkpoint and the metadata.

    All three come from one round trip, shared by every request that arrives while the one before
    is in flight. On a cluster, documents and checkpoint of a partition still come from one MGET,
    and the metadata after them all: whatever generation they name was live when those were read.
    """

    def __init__(self, redis: Redis | ScatteredReads, keys: Keys) -> None:
        self._redis = redis
        self.keys = keys
        self.layout: Layout | None = None
        """The live generation's, as far as it is known."""
        self._reads = SharedReads(self._fetch)
        self._meta_value: bytes | None = None
        self._partitions: dict[str, Partition] = {}
        self._highest: dict[tuple[int, int], Highest] = {}
        self._generation = 0
        self._is_reachable = True
        self._defect: str | None = None

    async def aclose(self) -> None:
        """Ends the reads in hand, so that none goes on behind the back of the connection's end."""
        await self._reads.aclose()

    async def watch(self) -> None:
        """Asks Redis again and again whether it keeps what it is given, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    defects = [_defect(told) for told in await _inspected(self._redis)]
            except (RedisError, OSError) as error:
                # What was found last stands; a Redis that is away answers no reads either.
                _log.debug("redis_not_inspected", error=type(error).__name__)
            else:
                self._take_defect(next(filter(None, defects), None))
            await asyncio.sleep(INSPECT_INTERVAL_S)

    async def read(self, address: FileAddress) -> Reading:
        """The file's status, if it belongs to the organization of `address`.

        Raises:
            NotReadyError: Redis does not answer, holds no read model, has lost its tail, or may
                have dropped files.
        """
        self.require_sound()
        for _ in range(_LAYOUT_READS):
            layout, read = self.layout, self._reads.next()
            if layout is None:
                await read.answered()
                continue
            location = layout.locate(address)
            partition = location.partition
            await read.answer_for(location.key, partition)
            if read.layout is layout:
                freshness = read.freshness[partition]
                if freshness.obstacle is not None:
                    raise NotReadyError(freshness.obstacle)
                return location.status(read.values[location.key]), freshness
        raise NotReadyError("the generation changes")

    async def read_each(self, locate: Callable[[Layout], Sequence[Location]]) -> list[Finding]:
        """What is stored at several places, all from one round trip; not every one may be sound.

        Args:
            locate: The places in a layout; asked again when the generation has been switched.

        Raises:
            NotReadyError: As `read`, but for what is of one partition alone.
        """
        locations: Sequence[Location] = ()

        def ask(layout: Layout, read: SharedRead) -> None:
            nonlocal locations
            locations = locate(layout)
            read.add(locations)

        _, read = await self._read_together(ask)
        return [read.finding(location) for location in locations]

    async def read_checkpoint(self, number: int) -> Freshness | None:
        """How far a partition is, None if there is none of that number.

        Raises:
            NotReadyError: As `read`.
        """

        def ask(layout: Layout, read: SharedRead) -> None:
            read.add_checkpoints(layout.partitions[number : number + 1])

        layout, read = await self._read_together(ask)
        if number >= len(layout.partitions):
            return None
        freshness = read.freshness[layout.partitions[number]]
        if freshness.obstacle is not None:
            raise NotReadyError(freshness.obstacle)
        return freshness

    async def survey(self) -> Survey:
        """Reads all checkpoints. Raises NotReadyError without a sound Redis or metadata."""
        layout, read = await self._read_together(
            lambda layout, read: read.add_checkpoints(layout.partitions)
        )
        found = (read.freshness[partition].obstacle for partition in layout.partitions)
        return Survey(layout.meta, {p: o for p, o in enumerate(found) if o is not None})

    async def _read_together(
        self, ask: Callable[[Layout, SharedRead], None]
    ) -> tuple[Layout, SharedRead]:
        """One round trip, all of one generation; `ask` is asked again when it was switched."""
        self.require_sound()
        for _ in range(_LAYOUT_READS):
            layout, read = self.layout, self._reads.next()
            if layout is not None:
                ask(layout, read)
            await read.answered()
            if layout is not None and read.layout is layout:
                return layout, read
        raise NotReadyError("the generation changes")

    async def _fetch(self, read: SharedRead) -> None:
        keys = [self.keys.meta, *(p.checkpoint_key for p in read.partitions), *read.files]
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                values = cast("list[bytes | None]", await self._redis.mget(keys))
        except (RedisError, OSError) as error:
            self._report(is_reachable=False, error=error)
            raise NotReadyError("Redis does not answer") from error
        self._report(is_reachable=True)
        read.layout = self.current_layout(values[0])
        position = 1
        for partition in read.partitions:
            read.freshness[partition] = partition.observe(values[position])
            position += 1
        read.values = dict(zip(read.files, values[position:], strict=True))

    def current_layout(self, meta_value: bytes | None) -> Layout:
        """The layout that the metadata names; the same object as long as it stays the same.

        Raises:
            NotReadyError: there are no metadata that can be read, or none as new as those before.
        """
        layout = self.layout
        if layout is not None and meta_value == self._meta_value:
            return layout
        self.layout = None
        meta = _decode_meta(meta_value)
        if meta.generation < self._generation:
            raise NotReadyError("Redis went back to an older generation")
        if layout is None or not layout.is_of(meta):
            layout = Layout(meta, self.keys, self._partition_at)
            _log.info("generation_found", generation=meta.generation, partitions=meta.partitions)
        self.layout, self._meta_value, self._generation = layout, meta_value, meta.generation
        return layout

    def _partition_at(self, meta: Meta, number: int) -> Partition:
        """Kept for good: what was seen must outlive metadata that vanish and come back."""
        key = self.keys.partition(meta.generation, number).checkpoint
        highest = self._highest.setdefault((meta.partitions, number), Highest())
        return self._partitions.setdefault(key, Partition(key, highest))

    def require_sound(self) -> None:
        """Raises NotReadyError if Redis may have dropped files."""
        if self._defect is not None:
            raise NotReadyError(self._defect)

    def _take_defect(self, defect: str | None) -> None:
        """Logs when Redis turns out to be unfit and when it is mended."""
        if defect != self._defect:
            self._defect = defect
            if defect is None:
                _log.info("redis_fit_again")
            else:
                _log.error("redis_unfit", reason=defect)

    def _report(self, *, is_reachable: bool, error: Exception | None = None) -> None:
        """Logs when Redis is lost and when it is back, not at every request."""
        if is_reachable != self._is_reachable:
            self._is_reachable = is_reachable
            if is_reachable:
                _log.info("redis_reached_again")
            else:
                _log.error("redis_lost", error=type(error).__name__)


async def _inspected(redis: Redis | ScatteredReads) -> list[dict[str, Any]]:
    """What every primary says of itself."""
    if isinstance(redis, ScatteredReads):
        return await redis.info("memory", "stats")
    return [await redis.info("memory", "stats")]


def _defect(told: dict[str, Any]) -> str | None:
    """Why Redis cannot be believed when it has no such file, None if it can."""
    if told["maxmemory_policy"] != "noeviction":
        return "Redis may drop files: its maxmemory-policy is not noeviction"
    if told["evicted_keys"]:
        return "Redis has dropped keys, files perhaps among them"
    return None


def _decode_meta(value: bytes | None) -> Meta:
    if value is None:
        raise NotReadyError("Redis holds no read model")
    try:
        return Meta.decode(value)
    except msgspec.DecodeError as error:
        raise NotReadyError("the metadata cannot be read") from error
