"""How fast the projector works off a backlog, as a ratio of a bare consumer."""

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from redis.asyncio import Redis

from bench.events import interleaved, publish, registrations
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_local.providers import provide_kafka, provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.events import EventData
from milepost_schemas.keys import Keys
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

LOADS: Final[dict[str, Callable[[], Iterator[EventData]]]] = {
    "projector": lambda: interleaved(4_000, 100, at_once=4_000),
    "projector_400_at_once": lambda: interleaved(4_000, 100, at_once=400),
    "projector_unique": lambda: registrations(200_000),
}
"""All 4,000 files at once, in any order; as a pipeline does that works on 400 at a time; and every
event of another file."""

POLL_S = 0.02


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[str, str]]:
    """A Kafka and a Redis; their addresses."""
    with TemporaryDirectory() as name:
        kafka = provide_kafka(Path(name), LocalSettings())
        redis = provide_redis(Path(name), LocalSettings())
        await kafka.start()
        await redis.start()
        try:
            yield kafka.address, redis.address
        finally:
            await redis.stop()
            await kafka.stop()


async def bare(kafka: str, topic: str, total: int) -> float:
    """Events per second of a consumer that throws records away."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare_consumer", kafka, topic, str(total),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    rate: float = json.loads(out)["events_per_s"]
    return rate


@asynccontextmanager
async def running(
    kafka: str, redis_url: str, topic: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A projector on an empty read model of its own; its key prefix and its process."""
    prefix = f"bench{time.monotonic_ns()}"
    environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
        "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_EVENTS_TOPIC": topic,
        "MILEPOST_PROJECTOR_GROUP": prefix,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "milepost_projector", env=environment, stderr=asyncio.subprocess.PIPE
    )
    redis: Any = Redis.from_url(redis_url)
    async with redis:
        names = _checkpoints(prefix)
        while None in await redis.mget(names):  # noqa: ASYNC110  another process writes them
            await asyncio.sleep(POLL_S)
        yield prefix, process
        process.terminate()
        await process.communicate()
        await redis.flushall()


def _checkpoints(prefix: str) -> list[str]:
    return [Keys(prefix).partition(1, number).checkpoint for number in range(PARTITIONS)]


async def projected(kafka: str, redis_url: str, topic: str, total: int) -> tuple[float, float]:
    """Events per second of a projector on an empty read model, and its resident MB after it."""
    redis: Any = Redis.from_url(redis_url)
    async with running(kafka, redis_url, topic) as (prefix, process), redis:
        first, started, done = 0, 0.0, 0
        while done < total:
            stored = await redis.mget(_checkpoints(prefix))
            done = sum(Checkpoint.decode(value).next_offset for value in stored)
            if not first and done:
                first, started = done, time.perf_counter()
            await asyncio.sleep(POLL_S)
        seconds = time.perf_counter() - started
        resident_mb = psutil.Process(process.pid).memory_info().rss / 1e6
    return (done - first) / seconds, resident_mb


async def run(rounds: int = 3) -> dict[str, Any]:
    """All candidates in turn, in each round."""
    rates: dict[str, list[float]] = {}
    async with servers() as (kafka, redis_url):
        await create_topics(KafkaSettings(bootstrap_servers=kafka), map(_topic, LOADS))
        published = {
            name: publish(kafka, _topic(name).name, make()) for name, make in LOADS.items()
        }
        for _, (name, (total, _)) in itertools.product(range(rounds), published.items()):
            topic = _topic(name).name
            ours, resident_mb = await projected(kafka, redis_url, topic, total)
            rates.setdefault(name, []).append(ours)
            rates.setdefault(f"{name}_bare", []).append(await bare(kafka, topic, total))
            rates.setdefault(f"{name}_resident_mb", []).append(resident_mb)
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "record_bytes": {name: size for name, (_, size) in published.items()},
        "rates": median,
        "ratios": {f"{name}/bare": median[name] / median[f"{name}_bare"] for name in LOADS},
    }


def _topic(load: str) -> Topic:
    return Topic(f"bench.{load}", PARTITIONS, EVENTS.configs)
