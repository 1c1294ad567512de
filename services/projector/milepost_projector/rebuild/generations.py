"""The generations of the read model in Redis: which there are, which is live, which may go."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from milepost.errors import MilepostError
from milepost_projector.read_model import NO_CHECKPOINT, RedisReadModel
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.meta import Meta

REMOVED_KEYS: Final = 250
"""Keys of one UNLINK: Redis frees their values beside its other work."""

_TAG: Final = re.compile(rb"\{g(\d+)\.p(\d+)\}:")


class OverruledError(MilepostError):
    """Somebody else has changed the metadata meanwhile."""


class NoReadModelError(MilepostError):
    """There is nothing that could be rebuilt beside."""

    def __init__(self) -> None:
        super().__init__("Redis holds no read model: start a projector, it fills an empty one")


@dataclass(frozen=True)
class Place:
    """What the name of a key says of its place."""

    generation: int
    partition: int
    name: bytes
    """What follows the tag."""


class Generations:
    """What a rebuild asks and changes beyond the partitions that it fills."""

    def __init__(self, read_model: RedisReadModel) -> None:
        self._read_model = read_model
        self._keys = read_model.keys

    async def meta(self) -> tuple[bytes, Meta]:
        """The metadata, and how they are stored.

        Raises:
            NoReadModelError: there are none.
        """
        stored: bytes | None = await self._read_model.call("GET", self._keys.meta)
        if stored is None:
            raise NoReadModelError
        return stored, Meta.decode(stored)

    async def change(self, expected: bytes, meta: Meta) -> bytes:
        """Change the metadata; what they are now, as they are stored.

        Raises:
            OverruledError: they are not what was expected.
        """
        value = meta.encode()
        if await self._read_model.swap(self._keys.meta, expected, value) != value:
            raise OverruledError("somebody else has changed the metadata of the read model")
        return value

    async def checkpoints(self, generation: int, partitions: int) -> dict[int, Checkpoint]:
        """The checkpoint of each partition, as of nothing where there is none."""
        numbers = range(partitions)
        stored = await asyncio.gather(*(self._stored(generation, number) for number in numbers))
        return {number: _decode(value) for number, value in zip(numbers, stored, strict=True)}

    async def begin(self, generation: int, beginnings: Mapping[int, int]) -> None:
        """Make the checkpoints of a new generation; those that are there stay as they are."""
        for number, beginning in beginnings.items():
            keys = self._keys.partition(generation, number)
            await self._move(generation, number, NO_CHECKPOINT, Checkpoint(beginning))
            # Nothing below the beginning can be published, so nothing there is outstanding.
            await self._read_model.publish(keys, 0, beginning)

    async def close(self, generation: int, number: int, switch: str) -> Checkpoint:
        """Close a checkpoint for a switch, wherever its owner has moved it by now."""
        while True:
            stored = await self._stored(generation, number)
            closed = _decode(stored)._replace(closed_by=switch)
            if await self._move(generation, number, stored, closed):
                return closed

    async def adopt(self, generation: int, number: int, closed: Checkpoint) -> None:
        """Let a checkpoint claim what the closed one that it has reached could claim.

        Raises:
            OverruledError: it is not there any more, or somebody else has moved it.
        """
        stored = await self._stored(generation, number)
        reached = _decode(stored)
        if reached.next_offset < closed.next_offset:
            raise OverruledError("somebody else has removed the new generation")
        claiming = reached._replace(
            as_of_ms=max(reached.as_of_ms, closed.as_of_ms),
            end_offset=max(reached.end_offset, closed.end_offset),
            recover_to=max(reached.recover_to, closed.recover_to),
        )
        if not await self._move(generation, number, stored, claiming):
            raise OverruledError("somebody else writes the new generation")

    async def places(self, generation: int | None = None) -> AsyncIterator[list[Place]]:
        """The places of all keys, or of a generation's documents, a page at a time."""
        prefix = re.sub(r"([*?\[\]\\])", r"\\\1", self._keys.prefix)
        tail = "g*" if generation is None else f"g{generation}.p*}}:f:*"
        async for page in self._read_model.scan(f"{prefix}:{{{tail}"):
            yield [place for key in page if (place := self._place(key))]

    async def remove(
        self,
        keep: Collection[int],
        newest: int,
        on_removed: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Remove all generations up to the newest but those to keep, a slice at a time.

        What is newer is never touched: while this goes on, another rebuild may have begun it.

        Returns:
            How many keys that were.

        Raises:
            OverruledError: one that is not to be kept is live, as after a Redis has gone back.
        """
        removed = 0
        async for page in self.places():
            doomed: dict[str, list[bytes]] = defaultdict(list)
            for place in page:
                if place.generation <= newest and place.generation not in keep:
                    tag = self._keys.partition(place.generation, place.partition).tag
                    doomed[tag].append(tag.encode() + place.name)
            for names in doomed.values():
                for start in range(0, len(names), REMOVED_KEYS):
                    part = names[start : start + REMOVED_KEYS]
                    unlinked = await self._read_model.unlink(part, keep)
                    if unlinked < 0:
                        raise OverruledError("Redis has gone back to another generation")
                    removed += unlinked
            on_removed(removed)
        return removed

    def _place(self, key: bytes) -> Place | None:
        found = _TAG.match(key, len(self._keys.prefix.encode()) + 1)
        return found and Place(int(found[1]), int(found[2]), key[found.end() :])

    async def _stored(self, generation: int, number: int) -> bytes:
        return await self._read_model.checkpoint(self._keys.partition(generation, number))

    async def _move(self, generation: int, number: int, stored: bytes, to: Checkpoint) -> bool:
        written = to.encode()
        slice_ = Slice(number, stored, written, to.next_offset)
        keys = self._keys.partition(generation, number)
        return await self._read_model.write([slice_], [keys]) == [written]


def _decode(stored: bytes) -> Checkpoint:
    return Checkpoint(0) if stored == NO_CHECKPOINT else Checkpoint.decode(stored)
