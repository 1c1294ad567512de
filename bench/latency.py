"""How long an event takes to the read model, as a ratio of produce to consume."""

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from bench.events import SOURCE, file_life
from bench.projector import running, servers
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

EVENTS_PER_S: Final = 300
FILES: Final = 300
EVENTS_PER_FILE: Final = 20
WARM_UP: Final = 600
TIME_LIMIT_S: Final = 120
REPORT_BYTES: Final = 16 * 1024 * 1024

Nth = tuple[str, int]
"""The n-th event of a file; a file's events are a second apart, so each makes its own hint."""


async def run(rounds: int = 3) -> dict[str, Any]:
    """Both ways at the same time, on the same records, each watched by a process of its own."""
    found: list[dict[str, float]] = []
    async with servers() as (kafka, redis_url):
        for number in range(rounds):
            topic = Topic(f"bench.latency{number}", PARTITIONS, EVENTS.configs)
            await create_topics(KafkaSettings(bootstrap_servers=kafka), [topic])
            async with running(kafka, redis_url, topic.name) as (prefix, _):
                found.append(await _measure(kafka, redis_url, topic.name, prefix))
    rates = {name: statistics.median(one[name] for one in found) for name in found[0]}
    return {
        "events_per_s": EVENTS_PER_S,
        "rates": rates,
        "ratios": {
            "p50": rates["readable_p50_ms"] / rates["consumed_p50_ms"],
            "p99": rates["readable_p99_ms"] / rates["consumed_p99_ms"],
            "told_p50": rates["told_p50_ms"] / rates["consumed_p50_ms"],
            "told_p99": rates["told_p99_ms"] / rates["consumed_p99_ms"],
        },
    }


async def _measure(kafka: str, redis_url: str, topic: str, prefix: str) -> dict[str, float]:
    watchers = [
        await _watcher("readable", redis_url, prefix),
        await _watcher("consumed", kafka, topic),
    ]
    try:
        sent = await _publish(kafka, topic)
        async with asyncio.timeout(TIME_LIMIT_S):
            reports = [await watcher.communicate() for watcher in watchers]
    except TimeoutError as error:
        # Two events of a file that share a batch share a hint, too: the machine stood still.
        raise RuntimeError(
            "too busy a machine: a file's next event came before its last"
        ) from error
    finally:
        for watcher in watchers:
            if watcher.returncode is None:
                watcher.kill()
    seen = [json.loads(out) for out, _ in reports]
    percentiles: dict[str, float] = {}
    for sight, times in (seen[0] | seen[1]).items():
        percentiles |= _percentiles(sight, sent, times)
    return percentiles


async def _watcher(way: str, address: str, name: str) -> asyncio.subprocess.Process:
    total = str(FILES * EVENTS_PER_FILE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.latency_watch", way, address, name, total,
        stdout=asyncio.subprocess.PIPE, limit=REPORT_BYTES,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101  it was asked for
    if await process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"the watcher of {way} records failed")
    return process


async def _publish(kafka: str, topic: str) -> dict[Nth, float]:
    """Publish at a steady rate; when each measured record was handed over."""
    sent: dict[Nth, float] = {}
    counts: Counter[str] = Counter()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    start = time.perf_counter()
    for number, (key, value, headers) in enumerate(_records()):
        await asyncio.sleep(start + number / EVENTS_PER_S - time.perf_counter())
        name = key.decode()
        if number >= WARM_UP:
            sent[name, counts[name]] = time.time()
        counts[name] += 1
        await producer.send(topic, value, key, headers=headers)
    await producer.stop()
    return sent


def _records() -> Iterator[EncodedRecord]:
    lives = [file_life("vs_bench", number, EVENTS_PER_FILE) for number in range(FILES)]
    facts = itertools.chain.from_iterable(zip(*lives, strict=True))
    for number, fact in enumerate(facts):
        yield encode(Event(f"{number:016x}", SOURCE, time.time_ns() // 1_000_000, fact))


def _percentiles(
    name: str, sent: dict[Nth, float], seen: dict[str, list[float]]
) -> dict[str, float]:
    delays = [(seen[key][nth] - at) * 1e3 for (key, nth), at in sent.items()]
    cuts = statistics.quantiles(delays, n=100)
    return {f"{name}_p50_ms": cuts[49], f"{name}_p99_ms": cuts[98]}
