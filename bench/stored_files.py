"""Files in a read model, written as a projector leaves them but without its work."""

import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from redis.asyncio import Redis

from bench.query_peers import STATUS_PATH
from bench.query_service import ORGANIZATION
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS, partition_of

STORE: Final = "vs_bench"
GENERATION: Final = 1
CHUNK: Final = 5_000
_CREATED_AT: Final = 1_750_000_000


def documents(count: int, store_id: str = STORE) -> Iterator[Document]:
    """Files that are being processed."""
    for number in range(count):
        yield Document(
            ORGANIZATION,
            store_id,
            f"file_{number:012d}",
            revision=7,
            status="processing",
            explicit_percent=50,
            current_step="embedding",
            started_at=_CREATED_AT,
            name=f"{number}.pdf",
            size_bytes=10_000,
            mime_type="application/pdf",
            created_at=_CREATED_AT + number,
            updated_at=_CREATED_AT + number,
        )


def status_path(document: Document) -> str:
    """Where its status is asked for."""
    return STATUS_PATH.format(
        organization_id=document.organization_id,
        store_id=document.store_id,
        file_id=document.file_id,
    )


async def store(redis: Any, prefix: str, files: Iterator[Document]) -> None:  # noqa: ANN401  untyped
    """The metadata, the checkpoints, and the files with their places in the lists."""
    keys = Keys(prefix)
    places = [keys.partition(GENERATION, partition) for partition in range(PARTITIONS)]
    now_ms = time.time_ns() // 1_000_000
    await redis.set(keys.meta, Meta(GENERATION, PARTITIONS, MODEL_VERSION).encode())
    for place in places:
        await redis.set(place.checkpoint, Checkpoint(10**9, now_ms, 10**9).encode())
    while chunk := list(islice(files, CHUNK)):
        lists: dict[str, dict[str, int]] = defaultdict(dict)
        values = {}
        for document in chunk:
            key = file_key(document.store_id, document.file_id)
            place = places[partition_of(key.encode(), PARTITIONS)]
            values[place.file(key)] = encode_record(document)
            owner = document.organization_id, document.store_id
            for name in (place.files(*owner), place.files_by_status(*owner, document.status)):
                lists[name][document.file_id] = document.created_at
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.mset(values)
            for name, entries in lists.items():
                pipeline.zadd(name, entries)
            await pipeline.execute()


def client(redis_url: str) -> Any:  # noqa: ANN401  redis-py's own type knows no pipeline
    """A client; a context manager."""
    return Redis.from_url(redis_url)
