"""The command under test, and small logs whose offsets are known."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import (
    Event,
    EventData,
    LogRecorded,
    ProcessingRequested,
    StepProgressed,
)
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.expected_model import read_log
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import Publishing

MILEPOST = str(Path(sys.executable).parent / "milepost")
WAIT = ("--caught-up-within", "60")


def audit(world: World, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `milepost audit` on a world."""
    environment = {
        "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": world.kafka.bootstrap_servers,
        "MILEPOST_REDIS_URL": world.redis_url,
        "MILEPOST_REDIS_PREFIX": world.name,
        "MILEPOST_EVENTS_TOPIC": world.events,
        "MILEPOST_STATUS_TOPIC": world.statuses,
        "MILEPOST_DEAD_LETTER_TOPIC": world.dead_letters,
        "COLUMNS": "200",
    }
    return subprocess.run(
        [MILEPOST, "audit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env=os.environ | environment | settings,  # noqa: TID251  a child's environment
    )


async def verified(world: World, *arguments: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of `milepost audit verify`."""
    done = await asyncio.to_thread(audit, world, "verify", "--json", *arguments, **settings)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@asynccontextmanager
async def projected(world: World, records: Iterable[EncodedRecord]) -> AsyncIterator[Publishing]:
    """A projector at work that has applied all these records."""
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world):
        for record in records:
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        yield publishing


def life(name: str) -> list[EncodedRecord]:
    """Four records of one file, the third of which is the last that changes anything."""
    ids: dict[str, Any] = {
        "organization_id": f"org_{name}",
        "store_id": f"vs_{name}",
        "file_id": "file_1",
        "attempt": 1,
    }
    facts: Sequence[EventData] = (
        LogRecorded(**ids, level="info", message="begun"),
        StepProgressed(**ids, step="reading", progress_percent=10),
        StepProgressed(**ids, step="reading", progress_percent=20),
        ProcessingRequested(**ids, reason="retry"),
    )
    return [encode(Event(f"{name}-{n}", "/tests", None, fact)) for n, fact in enumerate(facts)]


def keys_of(world: World, name: str) -> PartitionKeys:
    """The keys of the partition of a life's file."""
    number = partition_of(f"vs_{name}/file_1".encode(), PARTITIONS)
    return Keys(world.name).partition(1, number)


async def last_change(world: World) -> dict[str, int]:
    """The offset of the third record of each life, by its name."""
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    found: dict[str, list[int]] = {}
    for record in (record for records in log.values() for record in records):
        store = record.key.decode().partition("/")[0]
        found.setdefault(store.removeprefix("vs_"), []).append(record.offset)
    return {name: offsets[2] for name, offsets in found.items() if len(offsets) > 2}
