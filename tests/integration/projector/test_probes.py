import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from milepost.connection import KafkaSettings
from milepost_local.ports import free_port
from milepost_local.providers import own_redis
from milepost_local.servers import OwnServer, Server
from milepost_local.settings import LocalSettings
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.newest_statuses import newest_statuses
from tests.fixtures.running_projector import World, caught_up
from tests.fixtures.workload import POISON, Publishing, histories, shuffled
from tests.integration.projector.process import ProjectorProcess, Samples, projector_process

STRANGER = "/tests/stranger"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[OwnServer]:
    """A Redis that this test may stop."""
    server = own_redis(tmp_path, LocalSettings())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(kafka: Server, redis: OwnServer, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis.address)
    await made.create()
    return made


def workload() -> list[EncodedRecord]:
    """Everything that a log may hold, and one event of a stranger to the file's organization."""
    fact = StepProgressed(
        organization_id="org_9", store_id="vs_0_0", file_id="file_000000", attempt=1, step="reading"
    )
    strange = encode(Event("id-1", STRANGER, None, fact))
    return [*shuffled(histories(40, seed=11), seed=12), *POISON, strange]


async def publish(world: World, records: list[EncodedRecord]) -> dict[int, int]:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    for record in records:
        publishing.publish(record)
    await asyncio.to_thread(publishing.flush)
    return publishing.ends


def is_ready(status: int, body: Any) -> bool:
    return status == httpx.codes.OK and body["partitions"] == [*range(PARTITIONS)]


def is_without_redis(status: int, body: Any) -> bool:
    """Whether every partition stands still, and it is said what it stands still for."""
    return (
        status == httpx.codes.SERVICE_UNAVAILABLE
        and body["partitions"].keys() == {str(number) for number in range(PARTITIONS)}
        and all("redis: ConnectionError" in each for each in body["partitions"].values())
    )


async def test_every_record_is_counted_as_what_it_came_to(world: World, tmp_path: Path) -> None:
    records = workload()
    async with projector_process(world, tmp_path / "projector.log") as projector:
        await caught_up(world, await publish(world, records))
        await projector.until_readiness(is_ready)
        samples = await settled(projector)
        files = len(await newest_statuses(world))

    broken, mistyped, nameless, foreign = map(records.count, POISON)
    applied = samples.sum("milepost_applied_events_total")
    ignored = samples.sum("milepost_ignored_events_total")
    letters = "milepost_dead_letters_total"
    assert samples.sum(letters, reason="malformed_data", ce_source="unknown") == broken
    assert samples.sum(letters, reason="unknown_type", ce_source="unknown") == mistyped
    assert samples.sum(letters, reason="not_a_cloudevent", ce_source="unknown") == nameless
    assert samples.sum(letters, reason="wrong_organization", ce_source=STRANGER) == 1
    assert samples.sum("milepost_skipped_records_total", reason="foreign") == foreign
    assert applied > ignored > 0
    assert applied + ignored + foreign + samples.sum(letters) == len(records)
    assert samples.sum("milepost_published_statuses_total") >= files > 0
    assert_measured(samples, len(records))


async def settled(projector: ProjectorProcess) -> Samples:
    """The metrics once the status topic is complete."""
    async with asyncio.timeout(60):
        while True:
            samples = await projector.samples()
            if not samples.sum("milepost_unpublished_records"):
                return samples
            await asyncio.sleep(0.02)


def assert_measured(samples: Samples, records: int) -> None:
    """A projector that has taken this many records in, and is at the end of the log."""
    assert samples.sum("milepost_batch_records_sum") >= records
    assert samples.sum("milepost_batch_seconds_count") > 0
    assert samples.sum("milepost_script_seconds_count") > 0
    assert samples.sum("milepost_takeovers_total") >= PARTITIONS
    assert samples.sum("milepost_owned_partitions") == PARTITIONS
    assert samples.sum("milepost_lag_records") == 0
    assert samples.sum("process_resident_memory_bytes") > 0


async def test_a_projector_without_its_redis_is_alive_but_not_ready(
    world: World, redis: OwnServer, tmp_path: Path
) -> None:
    log = tmp_path / "projector.log"
    async with projector_process(world, log, projector_ready_within_s=1) as projector:
        await projector.until_readiness(is_ready)
        redis.kill()
        await projector.until_readiness(is_without_redis)
        assert (await projector.http.get("/livez")).status_code == httpx.codes.OK
        await redis.start()
        await projector.until_readiness(is_ready)
        samples = await projector.samples()
    assert samples.sum("milepost_retries_total", system="redis") > 0


async def test_a_projector_that_starts_before_kafka_waits_for_it(
    world: World, tmp_path: Path
) -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    alone = replace(world, kafka=nowhere)
    async with projector_process(alone, tmp_path / "projector.log") as projector:
        await projector.until_readiness(is_without_kafka)
        assert (await projector.http.get("/livez")).status_code == httpx.codes.OK


def is_without_kafka(status: int, body: Any) -> bool:
    return status == httpx.codes.SERVICE_UNAVAILABLE and "kafka: describe" in body["reason"]
