"""The command under test, and small logs whose offsets are known."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from milepost_auditor.report import Report
from milepost_auditor.settings import Settings
from milepost_auditor.targets import Target
from milepost_auditor.verification import Wanted, verify
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
WITHIN_S = 60.0


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


def target(world: World, **names: str) -> Target:
    """The world as the auditor is told of it."""
    own = {
        "redis_url": world.redis_url,
        "redis_prefix": world.name,
        "events_topic": world.events,
        "status_topic": world.statuses,
        "dead_letter_topic": world.dead_letters,
    }
    return Target(world.kafka, Settings.model_validate(own | names))


async def verified(
    world: World, *, within_s: float | None = None, processes: int = 1, **names: str
) -> Report:
    """What a verification in the test's own process comes to."""
    wanted = Wanted(processes, within_s)
    return await asyncio.to_thread(verify, target(world, **names), wanted, lambda *_: None)


def found(report: Report) -> list[tuple[str, str, int | None]]:
    """The differences of a report: kind, name and explaining offset."""
    return [(one.kind, one.name, one.offset) for one in report.differences]


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
    return Keys(world.name).partition(1, partition_of_life(name))


def partition_of_life(name: str) -> int:
    """The partition of a life's file."""
    return partition_of(f"vs_{name}/file_1".encode(), PARTITIONS)


async def last_change(world: World) -> dict[str, int]:
    """The offset of the third record of each life, by its name."""
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    found: dict[str, list[int]] = {}
    for record in (record for records in log.values() for record in records):
        store = record.key.decode().partition("/")[0]
        found.setdefault(store.removeprefix("vs_"), []).append(record.offset)
    return {name: offsets[2] for name, offsets in found.items() if len(offsets) > 2}
