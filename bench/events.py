"""The events that the benchmarks publish: whole lives of files, as a pipeline tells them."""

import random
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from confluent_kafka import Producer

from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import (
    Event,
    EventData,
    FileRegistered,
    PlannedStep,
    ProcessingCompleted,
    StepCompleted,
    StepProgressed,
    StepStarted,
)

STEPS = ("extracting", "chunking", "embedding", "indexing")
PLAN = tuple(
    PlannedStep(step=step, weight=weight) for step, weight in zip(STEPS, (2, 1, 5, 2), strict=True)
)
SOURCE = "/bench"


def file_life(store: str, number: int, events: int) -> Iterator[EventData]:
    """The events of one file: registered, four steps with their progress, completed."""
    ids: dict[str, Any] = {
        "organization_id": "org_bench",
        "store_id": store,
        "file_id": f"file_{number:012x}",
        "attempt": 1,
    }
    yield FileRegistered(
        **ids, name=f"{number}.pdf", size_bytes=10_000, mime_type="application/pdf"
    )
    progressed = events - 2 - 2 * len(STEPS)
    for index, step in enumerate(STEPS):
        units = progressed // len(STEPS) + (index < progressed % len(STEPS))
        plan = PLAN if index == 0 else None
        yield StepStarted(**ids, step=step, total_units=units, plan=plan)
        for done in range(1, units + 1):
            yield StepProgressed(**ids, step=step, done_units=done)
        yield StepCompleted(**ids, step=step)
    yield ProcessingCompleted(**ids, chunk_count=12)


def interleaved(
    files: int, events: int, *, at_once: int, store: str = "vs_bench"
) -> Iterator[EventData]:
    """Files' lives, so many at once: whose turn is next is drawn by lot, the same on every run."""
    lot = random.Random(7)  # noqa: S311  a benchmark's order, not a secret
    waiting = (file_life(store, number, events) for number in range(files))
    active = list(islice(waiting, at_once))
    while active:
        place = lot.randrange(len(active))
        fact = next(active[place], None)
        if fact is not None:
            yield fact
            continue
        successor = next(waiting, None)
        if successor is None:
            active[place] = active[-1]
            active.pop()
        else:
            active[place] = successor


def registrations(files: int, *, store: str = "vs_bench") -> Iterator[EventData]:
    """One event for each file: every record is another file's."""
    for number in range(files):
        yield next(file_life(store, number, 10))


def records(facts: Iterator[EventData]) -> Iterator[EncodedRecord]:
    """The facts as records, published now."""
    now_ms = time.time_ns() // 1_000_000
    for number, fact in enumerate(facts):
        yield encode(Event(f"{number:016x}", SOURCE, now_ms, fact))


def publish(bootstrap_servers: str, topic: str, facts: Iterator[EventData]) -> tuple[int, float]:
    """Publish all, acknowledged; how many there were, and their mean size in bytes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    count = total_bytes = 0
    encoded = records(facts)
    while batch := list(islice(encoded, 5_000)):
        for key, value, headers in batch:
            producer.produce(topic, value, key, headers=[*headers])
            total_bytes += len(key) + len(value) + sum(len(n) + len(v) for n, v in headers)
        count += len(batch)
        producer.poll(0)
    producer.flush()
    return count, total_bytes / count
