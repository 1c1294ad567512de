"""A read model in Redis, written as a projector would, but one piece at a time."""

import time
from dataclasses import dataclass, field

from redis.asyncio import Redis

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import partition_of

PARTITIONS = 4


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class StoredModel:
    redis: Redis
    prefix: str
    generation: int = 1
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keys(self.prefix)

    async def begin(self) -> None:
        """Metadata, and an empty partition each, as of now."""
        for partition in range(PARTITIONS):
            await self.checkpoint(partition, Checkpoint(0, now_ms()))
        await self.redis.set(self.keys.meta, Meta(self.generation, PARTITIONS, 1).encode())

    async def put(self, document: Document) -> None:
        await self.redis.set(self.key_of(document), encode_record(document))

    async def hint(self, document: Document) -> int:
        """Say that the file has changed; how many have heard it."""
        key = file_key(document.store_id, document.file_id)
        heard: int = await self.redis.spublish(self.hints_of(document), key)
        return heard

    async def checkpoint(self, partition: int, checkpoint: Checkpoint) -> None:
        await self.redis.set(self.checkpoint_key(partition), checkpoint.encode())

    async def wipe(self) -> None:
        async for key in self.redis.scan_iter(f"{self.prefix}:*"):
            await self.redis.delete(key)

    def key_of(self, document: Document) -> str:
        key = file_key(document.store_id, document.file_id)
        return self.keys.partition(self.generation, self.partition_of(document)).file(key)

    def hints_of(self, document: Document) -> str:
        return self.keys.partition(self.generation, self.partition_of(document)).hints

    def checkpoint_key(self, partition: int) -> str:
        return self.keys.partition(self.generation, partition).checkpoint

    def partition_of(self, document: Document) -> int:
        return partition_of(file_key(document.store_id, document.file_id).encode(), PARTITIONS)


async def misses(model: StoredModel) -> int:
    """How often Redis was asked for a key that it does not have."""
    return int((await model.redis.info("stats"))["keyspace_misses"])
