"""Compares the documents of the live generation with those that a rebuild has made.

Most of it is done while the live generation moves. What differs then may only be ahead or behind,
so it is put aside, and looked at again once neither moves any more.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from milepost_projector.read_model import RedisReadModel
from milepost_projector.rebuild.generations import Generations
from milepost_schemas.keys import PartitionKeys

PAGE_FILES: Final = 200
"""Files of one read, so that Redis is never busy with one for long."""
MAX_ASIDE: Final = 20_000
"""Files that are looked at a second time: readers get no certain 404 meanwhile."""
MAX_SHOWN: Final = 20

_FILE: Final = b"f:"


@dataclass(frozen=True)
class Difference:
    """A file of which the two generations do not say the same."""

    partition: int
    next_offset: int
    """Both have taken in all records below it."""
    file_key: str
    is_live: bool
    """Whether the live generation has a document of it."""
    is_rebuilt: bool
    """Whether the log comes to a document of it."""


@dataclass
class Compared:
    """What a comparison came to."""

    files: int = 0
    """Files that were looked at."""
    different: int = 0
    left_out: int = 0
    """Files that could not be looked at again while nothing moved."""
    shown: list[Difference] = field(default_factory=list)
    """The first of those that are different."""

    def add(self, difference: Difference) -> None:
        self.different += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(difference)


class Comparison:
    """Two generations of one model version and as many partitions."""

    def __init__(self, read_model: RedisReadModel, live: int, rebuilt: int) -> None:
        self._read_model = read_model
        self._generations = Generations(read_model)
        self._live = live
        self._rebuilt = rebuilt
        self._aside: dict[int, set[bytes]] = defaultdict(set)
        self._files = 0

    async def look(self, on_compared: Callable[[int], None] = lambda _: None) -> None:
        """Compare everything once; may be repeated."""
        self._aside.clear()
        self._files = 0
        for generation in (self._live, self._rebuilt):
            waiting: dict[int, list[bytes]] = defaultdict(list)
            async for page in self._generations.places(generation):
                for place in page:
                    waiting[place.partition].append(place.name.removeprefix(_FILE))
                for number in [n for n, names in waiting.items() if len(names) >= PAGE_FILES]:
                    await self._look_at(number, waiting.pop(number), generation)
                on_compared(self._files)
            for number, names in waiting.items():
                await self._look_at(number, names, generation)
        on_compared(self._files)

    def touch(self, touched: Mapping[int, Collection[bytes]]) -> None:
        """Look at these again: their documents may have changed since the first look."""
        for number, names in touched.items():
            self._aside[number].update(names)

    async def look_again(self, positions: Mapping[int, int]) -> Compared:
        """Compare what was put aside, in those partitions of which both are at the same offset."""
        compared, looked_at = Compared(self._files), 0
        for number, aside in self._aside.items():
            position = positions.get(number)
            for names in _pages(sorted(aside)):
                if position is None or looked_at >= MAX_ASIDE:
                    compared.left_out += len(names)
                    continue
                looked_at += len(names)
                for name, live, rebuilt in await self._differing(number, names):
                    compared.add(
                        Difference(
                            number, position, name.decode(), live is not None, rebuilt is not None
                        )
                    )
        return compared

    async def _look_at(self, number: int, names: Sequence[bytes], generation: int) -> None:
        if generation == self._rebuilt:
            # What the live one has, too, was compared in its turn.
            names = await self._missing(number, names)
        self._files += len(names)
        for page in _pages(names):
            differing = await self._differing(number, page)
            self._aside[number].update(name for name, *_ in differing)

    async def _missing(self, number: int, names: Sequence[bytes]) -> list[bytes]:
        """The names that the live generation does not know."""
        keys = self._keys(self._live, number)
        prefix = keys.file("").encode()
        present = await self._read_model.call("EXISTS", *(prefix + name for name in names))
        if present == len(names):
            return []
        values = await self._read_model.values(keys, names)
        return [name for name, value in zip(names, values, strict=True) if value is None]

    async def _differing(
        self, number: int, names: Sequence[bytes]
    ) -> list[tuple[bytes, bytes | None, bytes | None]]:
        live = await self._read_model.values(self._keys(self._live, number), names)
        rebuilt = await self._read_model.values(self._keys(self._rebuilt, number), names)
        trios = zip(names, live, rebuilt, strict=True)
        return [trio for trio in trios if trio[1] != trio[2]]

    def _keys(self, generation: int, number: int) -> PartitionKeys:
        return self._read_model.keys.partition(generation, number)


def _pages(names: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (names[start : start + PAGE_FILES] for start in range(0, len(names), PAGE_FILES))
