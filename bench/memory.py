"""What a file costs in Redis, and what it is spent on."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from redis.asyncio import Redis

from bench.audit import Subject
from bench.events import file_life, publish
from bench.projector import running, servers
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.events import EventData, LogRecorded
from milepost_schemas.keys import DEFAULT_PREFIX
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

FILES: Final = 20_000
EVENTS_PER_FILE: Final = 20
KINDS: Final = {
    b"f": "documents",
    b"l": "log_lines",
    b"i": "lists",
    b"o": "open_files",
    b"u": "usage",
}
"""By the first letter behind the hash tag."""


def lives() -> Iterator[EventData]:
    """Files of a pipeline that are done, but for every tenth, and have a line in their log."""
    for number in range(FILES):
        facts = list(file_life("vs_bench", number, EVENTS_PER_FILE))
        yield from facts[:-1] if number % 10 == 0 else facts
        yield LogRecorded(
            organization_id=facts[0].organization_id,
            store_id=facts[0].store_id,
            file_id=facts[0].file_id,
            attempt=1,
            level="info",
            message="12 chunks were embedded and indexed",
        )


async def run(rounds: int = 1) -> dict[str, Any]:  # noqa: ARG001  a measurement without noise
    """Bytes per file, by all that Redis has allocated and by what each kind of key takes."""
    async with servers() as at:
        topic = Topic("bench.memory", PARTITIONS, EVENTS.configs)
        await create_topics(KafkaSettings(bootstrap_servers=at.kafka), [topic])
        redis: Any = Redis.from_url(at.redis_url)
        async with redis:
            empty = (await redis.info("memory"))["used_memory"]
            total, _ = await asyncio.to_thread(publish, at.kafka, topic.name, lives())
            # Names count, so they begin as they do by default.
            async with running(*at, topic.name, prefix=DEFAULT_PREFIX) as (prefix, _):
                await Subject(*at, topic.name, prefix).published(total)
                used = (await redis.info("memory"))["used_memory"] - empty
                by_kind = await _by_kind(redis, prefix)
    return {
        "files": FILES,
        "bytes_per_file": {name: size / FILES for name, size in by_kind.items()},
        "ratios": {
            "redis_bytes_per_file": used / FILES,
            "redis_bytes_per_file_without_a_log_line": (used - by_kind["log_lines"]) / FILES,
        },
    }


async def _by_kind(redis: Redis, prefix: str) -> dict[str, float]:
    """What the keys themselves take; the rest is Redis's dictionary of keys and its buffers."""
    sizes: dict[str, float] = defaultdict(float)
    names = [name async for name in redis.scan_iter(match=f"{prefix}:*", count=1_000)]
    pending = iter(names)
    while page := list(islice(pending, 1_000)):
        pipeline = redis.pipeline(transaction=False)
        for name in page:
            pipeline.memory_usage(name, samples=0)
        for name, size in zip(page, await pipeline.execute(), strict=True):
            sizes[KINDS.get(name.partition(b"}:")[2][:1], "positions")] += size
    return sizes
