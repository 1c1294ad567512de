"""The newest files of a store, out of the indexes of all partitions."""

from collections.abc import Mapping
from functools import lru_cache, partial
from itertools import repeat
from math import isqrt
from typing import Any, Final, NamedTuple

from milepost_primaries.snapshot_reads import Command
from milepost_query.freshness import Freshness
from milepost_query.layout import Layout
from milepost_query.snapshots import Snapshots
from milepost_schemas.document import Status
from milepost_schemas.keys import PartitionKeys

_DEEPER: Final = 4
"""How much deeper to read where files lie unevenly."""
_REMEMBERED_QUESTIONS: Final = 1_024
"""Of about 5 KB each; who looks at a list does so again and again."""

Entry = tuple[int, bytes, int]
"""When a file was first heard of, its id, and its partition; a larger one comes first in lists."""


class StoreFiles(NamedTuple):
    """What a list is of."""

    organization_id: str
    store_id: str
    status: Status | None = None
    """None for all."""


class Newest(NamedTuple):
    """The newest files of a store, newest first; of one second, by their ids."""

    entries: list[Entry]
    total: int
    """All files of that kind, whether among the entries or not."""
    layout: Layout
    freshness: Freshness


async def read_newest(snapshots: Snapshots, files: StoreFiles, count: int) -> Newest:
    """So many of the newest files, or all if there are fewer.

    Each partition is first asked for little more than its share, because ids spread files evenly;
    whether that was enough shows in the answer. So the cost does not depend on the store's size.

    Raises:
        NotReadyError: a partition is not answered from.
    """
    factor = 1
    while True:
        answer = await snapshots.read(partial(_question, files, count, factor))
        indexes = answer.by_partition
        entries = _merged(indexes)
        if _is_complete(entries, count, indexes):
            total = sum(size for size, _ in indexes.values())
            return Newest(entries[:count], total, answer.layout, answer.freshness)
        factor *= _DEEPER


@lru_cache(maxsize=_REMEMBERED_QUESTIONS)
def _question(
    files: StoreFiles, count: int, factor: int, layout: Layout
) -> Mapping[int, list[Command]]:
    last = min(count, factor * _share(count, len(layout.places))) - 1
    names = [_index(place, files) for place in layout.places]
    return {
        number: [["ZCARD", name], ["ZRANGE", name, 0, last, "REV", "WITHSCORES"]]
        for number, name in enumerate(names)
    }


def _index(place: PartitionKeys, files: StoreFiles) -> str:
    owner, store, status = files
    if status is None:
        return place.files(owner, store)
    return place.files_by_status(owner, store, status)


def _share(count: int, partitions: int) -> int:
    """What a partition seldom has more of among so many: well above the mean, by its deviation."""
    mean = -(-count // partitions)
    return mean + 2 * (isqrt(mean) + 1)


def _merged(indexes: Mapping[int, list[Any]]) -> list[Entry]:
    """All that was read, the newest first."""
    entries: list[Entry] = []
    for number, (_, flat) in indexes.items():
        entries += zip(map(int, flat[1::2]), flat[::2], repeat(number), strict=False)
    entries.sort(reverse=True)
    return entries


def _is_complete(entries: list[Entry], count: int, indexes: Mapping[int, list[Any]]) -> bool:
    """Whether nothing that was not read comes before the last entry that is wanted."""
    cut_off = [
        (int(flat[-1]), flat[-2], number)
        for number, (size, flat) in indexes.items()
        if len(flat) < 2 * min(size, count)
    ]
    return not cut_off or (len(entries) >= count and entries[count - 1] >= max(cut_off))
