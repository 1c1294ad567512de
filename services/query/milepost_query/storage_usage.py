"""How much an organization stores, in all and by store."""

from collections import defaultdict
from functools import partial
from typing import Final, NamedTuple

import msgspec

from milepost_primaries.snapshot_reads import Command
from milepost_query.freshness import Freshness
from milepost_query.layout import Layout
from milepost_query.snapshots import Snapshots

_encoder: Final = msgspec.json.Encoder()


class _Store(msgspec.Struct):
    store_id: str
    store_name: str
    used_bytes: int
    file_count: int


class _Usage(msgspec.Struct):
    total_bytes: int
    used_bytes: int
    file_count: int
    stores: list[_Store]


class Usage(NamedTuple):
    """The body, and how fresh it is."""

    body: bytes
    freshness: Freshness


async def read_usage(snapshots: Snapshots, organization_id: str, limit_bytes: int) -> Usage:
    """The sums of all partitions; stores by id. Nothing is counted of a store without files.

    Raises:
        NotReadyError: a partition is not answered from.
    """
    answer = await snapshots.read(partial(_question, organization_id))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, "bytes": 0})
    for (flat,) in answer.by_partition.values():
        for name, count in zip(flat[::2], flat[1::2], strict=True):
            store, _, what = name.decode().rpartition("/")
            if what in ("files", "bytes"):
                counts[store][what] += int(count)
    stores = [
        _Store(store, store, of["bytes"], of["files"]) for store, of in sorted(counts.items())
    ]
    usage = _Usage(
        limit_bytes,
        sum(store.used_bytes for store in stores),
        sum(store.file_count for store in stores),
        stores,
    )
    return Usage(_encoder.encode(usage), answer.freshness)


def _question(organization_id: str, layout: Layout) -> dict[int, list[Command]]:
    return {
        number: [["HGETALL", place.usage(organization_id)]]
        for number, place in enumerate(layout.places)
    }
