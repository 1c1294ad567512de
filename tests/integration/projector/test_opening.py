import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from prometheus_client import CollectorRegistry

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing

FILE = "vs_1/file_1"
PARTITION = partition_of(FILE.encode(), PARTITIONS)


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


@pytest.fixture
async def admin(kafka: Server) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await client.start()
    yield client
    await client.close()


def progress(percent: int) -> EncodedRecord:
    fact = StepProgressed(
        organization_id="org_1",
        store_id="vs_1",
        file_id="file_1",
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"id-{percent}", "/tests", None, fact))


async def publish(world: World, percents: Iterable[int]) -> dict[int, int]:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    for percent in percents:
        publishing.publish(progress(percent))
    await asyncio.to_thread(publishing.flush)
    return publishing.ends


async def project(
    world: World, ends: dict[int, int], registry: CollectorRegistry | None = None
) -> None:
    async with running_projector(world, registry):
        await caught_up(world, ends)


async def stored(world: World) -> tuple[bytes, int]:
    """The partition's checkpoint, and the progress of its one file."""
    keys = Keys(world.name).partition(1, PARTITION)
    async with world.redis() as redis:
        checkpoint, record = await redis.mget([keys.checkpoint, keys.file(FILE)])
    return checkpoint, decode_record(record).progress_percent


async def recreate(world: World, admin: AIOKafkaAdminClient) -> None:
    """Put another log in the place of the one that was projected."""
    await admin.delete_topics([world.events])
    async with asyncio.timeout(30):
        while world.events in await admin.list_topics():  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.05)
    await world.create()


@pytest.mark.parametrize("percents", [[50], [50, 60], [50, 60, 70]], ids=["less", "same", "more"])
async def test_nothing_of_another_log_gets_into_the_read_model(
    world: World, admin: AIOKafkaAdminClient, percents: list[int]
) -> None:
    await project(world, await publish(world, [10, 20]))
    before = await stored(world)
    await recreate(world, admin)
    await publish(world, percents)

    async with running_projector(world) as projector:
        await until(lambda: PARTITION in projector._opener.refused)
        await until(lambda: len(projector._folds) == PARTITIONS - 1)
        obstacle = projector._metrics.progress.obstacles()[PARTITION]
    assert obstacle.startswith("wrong log: the ")
    assert await stored(world) == before


async def test_what_retention_took_away_unread_does_not_stop_the_partition(
    world: World, admin: AIOKafkaAdminClient
) -> None:
    await project(world, await publish(world, [10]))
    ends = await publish(world, [20, 30, 40])
    gone = {TopicPartition(world.events, PARTITION): RecordsToDelete(before_offset=3)}
    await admin.delete_records(gone)

    registry = CollectorRegistry()
    await project(world, ends, registry)
    assert (await stored(world))[1] == 40
    series = "milepost_missing_records_total", {"partition": str(PARTITION)}
    assert registry.get_sample_value(*series) == 2


async def test_a_mark_that_retention_took_away_is_not_missed(
    world: World, admin: AIOKafkaAdminClient
) -> None:
    await project(world, await publish(world, [10, 20]))
    ends = await publish(world, [30])
    gone = {TopicPartition(world.events, PARTITION): RecordsToDelete(before_offset=2)}
    await admin.delete_records(gone)

    await project(world, ends)
    assert (await stored(world))[1] == 30
