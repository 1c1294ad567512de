"""How fast the projector works off a backlog, as ratios of a bare consumer and of its peers."""

import asyncio
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import psutil
from redis.asyncio import Redis

from bench import scale
from bench.events import interleaved, publish, registrations
from bench.peer_runs import PEERS, peer_rate, prepare
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_local.providers import provide_kafka, provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.events import EventData
from milepost_schemas.keys import Keys
from milepost_schemas.topics import DEAD_LETTER, EVENTS, PARTITIONS, STATUS, Topic

LOADS: Final[dict[str, Callable[[], Iterator[EventData]]]] = {
    "projector": lambda: interleaved(4_000, 100, at_once=4_000),
    "projector_400_at_once": lambda: interleaved(4_000, 100, at_once=400),
    "projector_unique": lambda: registrations(200_000),
}
"""All 4,000 files at once, in any order; as a pipeline does that works on 400 at a time; and every
event of another file."""

POLL_S = 0.02


class Addresses(NamedTuple):
    """Where the servers of a benchmark are."""

    kafka: str
    redis_url: str


@asynccontextmanager
async def servers() -> AsyncIterator[Addresses]:
    """A Kafka and a Redis; their addresses."""
    with TemporaryDirectory() as name:
        kafka = provide_kafka(Path(name), LocalSettings())
        redis = provide_redis(Path(name), LocalSettings())
        await kafka.start()
        await redis.start()
        await create_topics(KafkaSettings(bootstrap_servers=kafka.address), [STATUS, DEAD_LETTER])
        try:
            yield Addresses(kafka.address, redis.address)
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
    kafka: str,
    redis_url: str,
    topic: str,
    module: str = "milepost_projector",
    *,
    prefix: str | None = None,
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A projector on an empty read model of its own; its key prefix and its process."""
    prefix = prefix or f"bench{time.monotonic_ns()}"
    environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
        "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_EVENTS_TOPIC": topic,
        "MILEPOST_PROJECTOR_GROUP": prefix,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.PIPE
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


async def projected(
    at: Addresses, topic: str, total: int, *, module: str = "milepost_projector"
) -> tuple[float, float]:
    """Events per second of a projector on an empty read model, and its resident MB after it."""
    redis: Any = Redis.from_url(at.redis_url)
    async with running(*at, topic, module) as (prefix, process), redis:
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


Rates = dict[str, list[float]]


async def run(rounds: int = 3) -> dict[str, Any]:
    """All candidates in turn, in each round."""
    for peer in PEERS:
        prepare(peer)
    rates: Rates = defaultdict(list)
    async with servers() as at:
        await create_topics(KafkaSettings(bootstrap_servers=at.kafka), map(_topic, LOADS))
        published = {
            name: publish(at.kafka, _topic(name).name, make()) for name, make in LOADS.items()
        }
        for _ in range(rounds):
            for name, (total, _) in published.items():
                await _measure(rates, at, name, total)
            for peer in PEERS:
                topic = _topic("projector").name
                rates[peer].append(await peer_rate(peer, *at, topic))
            for number, name in ((1, "one_process"), (2, "two_processes")):
                rates[name].append(await scale.processes(*at, number))
            for name, value in (await scale.readers_beside(*at)).items():
                rates[name].append(value)
        for name, files in (("files_1k", scale.FEW_FILES), ("files_1m", scale.MANY_FILES)):
            rates[name].append(await scale.with_files(*at, files, rounds))
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "record_bytes": {name: size for name, (_, size) in published.items()},
        "rates": median,
        "ratios": _ratios(median),
    }


async def _measure(rates: Rates, at: Addresses, name: str, total: int) -> None:
    topic = _topic(name).name
    ours, resident_mb = await projected(at, topic, total)
    rates[name].append(ours)
    rates[f"{name}_resident_mb"].append(resident_mb)
    silent, _ = await projected(at, topic, total, module="bench.without_statuses")
    rates[f"{name}_without_statuses"].append(silent)
    rates[f"{name}_bare"].append(await bare(at.kafka, topic, total))


def _ratios(median: dict[str, float]) -> dict[str, float]:
    against_bare = {
        f"{name}/bare": median[name] / median[f"{load}_bare"]
        for load in LOADS
        for name in (load, f"{load}_without_statuses")
    }
    against_peers = {f"projector/{peer}": median["projector"] / median[peer] for peer in PEERS}
    return (
        against_bare
        | against_peers
        | {
            "two_processes/one": median["two_processes"] / median["one_process"],
            "files_1m/files_1k": median["files_1k"] / median["files_1m"],
            "reader_busy/idle": median["reader_busy_p99_ms"] / median["reader_idle_p99_ms"],
        }
    )


def _topic(load: str) -> Topic:
    return Topic(f"bench.{load}", PARTITIONS, EVENTS.configs)
