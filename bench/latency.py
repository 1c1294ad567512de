"""How long an event takes to the read model, as a ratio of produce to consume."""

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from bench.events import SOURCE, file_life
from bench.projector import running, servers
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event
from milepost_schemas.keys import Keys
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

EVENTS_PER_S: Final = 300
FILES: Final = 300
EVENTS_PER_FILE: Final = 20
WARM_UP: Final = 600


Nth = tuple[bytes, int]
"""The n-th event of a file; a file's events are a second apart, so each makes its own hint."""
Seen = tuple[Counter[bytes], dict[Nth, float]]


async def run(rounds: int = 3) -> dict[str, Any]:
    """Both ways at the same time, on the same records."""
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
        },
    }


async def _measure(kafka: str, redis_url: str, topic: str, prefix: str) -> dict[str, float]:
    readable: Seen = Counter(), {}
    consumed: Seen = Counter(), {}
    redis: Any = Redis.from_url(redis_url)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    every = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(every)
    await consumer.seek_to_beginning(*every)
    hints = redis.pubsub(ignore_subscribe_messages=True)
    await hints.subscribe(*(Keys(prefix).partition(1, p).hints for p in range(PARTITIONS)))
    watching = [
        asyncio.create_task(_watch_hints(hints, readable)),
        asyncio.create_task(_watch_log(consumer, consumed)),
    ]
    sent = await _publish(kafka, topic, readable)
    for task in watching:
        task.cancel()
    await asyncio.wait(watching)
    await consumer.stop()
    await hints.aclose()
    await redis.aclose()
    return _percentiles("readable", sent, readable) | _percentiles("consumed", sent, consumed)


async def _publish(kafka: str, topic: str, readable: Seen) -> dict[Nth, float]:
    """Publish at a steady rate; when each measured record was handed over."""
    sent: dict[Nth, float] = {}
    counts: Counter[bytes] = Counter()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    start = time.perf_counter()
    for number, (key, value, headers) in enumerate(_records()):
        await asyncio.sleep(start + number / EVENTS_PER_S - time.perf_counter())
        counts[key] += 1
        if number >= WARM_UP:
            sent[key, counts[key]] = time.perf_counter()
        await producer.send(topic, value, key, headers=headers)
    await producer.flush()
    async with asyncio.timeout(30):
        while not sent.keys() <= readable[1].keys():  # noqa: ASYNC110  hints come from outside
            await asyncio.sleep(0.01)
    await producer.stop()
    return sent


def _records() -> Iterator[EncodedRecord]:
    lives = [file_life("vs_bench", number, EVENTS_PER_FILE) for number in range(FILES)]
    facts = itertools.chain.from_iterable(zip(*lives, strict=True))
    for number, fact in enumerate(facts):
        yield encode(Event(f"{number:016x}", SOURCE, time.time_ns() // 1_000_000, fact))


def _note(key: bytes, seen: Seen) -> None:
    counts, times = seen
    counts[key] += 1
    times[key, counts[key]] = time.perf_counter()


async def _watch_hints(hints: PubSub, seen: Seen) -> None:
    """A hint is part of the script that makes its files readable."""
    async for hint in hints.listen():
        for key in hint["data"].split(b" "):
            _note(key, seen)


async def _watch_log(consumer: AIOKafkaConsumer, seen: Seen) -> None:
    while True:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                _note(record.key, seen)


def _percentiles(name: str, sent: dict[Nth, float], seen: Seen) -> dict[str, float]:
    cuts = statistics.quantiles(((seen[1][nth] - at) * 1e3 for nth, at in sent.items()), n=100)
    return {f"{name}_p50_ms": cuts[49], f"{name}_p99_ms": cuts[98]}
