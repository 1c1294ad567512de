import asyncio

import pytest
from prometheus_client import CollectorRegistry

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing

PARTITION = partition_of(b"vs_1/file_1", PARTITIONS)


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


def progressed(percent: int) -> EncodedRecord:
    fact = StepProgressed(
        organization_id="org_1",
        store_id="vs_1",
        file_id="file_1",
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"id-{percent}", "/tests", None, fact))


async def publish(world: World, percent: int) -> dict[int, int]:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    publishing.publish(progressed(percent))
    await asyncio.to_thread(publishing.flush)
    return publishing.ends


async def test_a_checkpoint_that_redis_lost_is_counted_and_the_partition_taken_over_again(
    world: World,
) -> None:
    registry = CollectorRegistry()
    everywhere = dict.fromkeys(range(PARTITIONS), 0)
    async with running_projector(world, registry), world.redis() as redis:
        await caught_up(world, everywhere)
        takeovers = registry.get_sample_value("milepost_takeovers_total") or 0
        await redis.delete(Keys(world.name).partition(1, PARTITION).checkpoint)
        await until(lambda: registry.get_sample_value("milepost_takeovers_total") == takeovers + 1)
    assert registry.get_sample_value("milepost_rewinds_total") == 1


async def test_a_published_position_that_redis_lost_is_counted_the_same_way(world: World) -> None:
    registry = CollectorRegistry()
    published = Keys(world.name).partition(1, PARTITION).published
    async with running_projector(world, registry), world.redis() as redis:
        await publish(world, 10)
        async with asyncio.timeout(60):
            while await redis.get(published) != b"1":  # noqa: ASYNC110  no event tells
                await asyncio.sleep(0.02)
        await redis.delete(published)
        await publish(world, 20)
        await until(lambda: registry.get_sample_value("milepost_rewinds_total") == 1)
    assert registry.get_sample_value("milepost_fenced_producers_total") == 0


async def test_a_producer_that_another_owner_fenced_is_counted_and_replaced(world: World) -> None:
    registry = CollectorRegistry()
    other = StatusTopic(world.kafka, world.statuses, world.name)
    async with running_projector(world, registry):
        await caught_up(world, dict.fromkeys(range(PARTITIONS), 0))
        await other.fence(PARTITION)
        await publish(world, 10)
        await until(lambda: registry.get_sample_value("milepost_fenced_producers_total") == 1)
        await until(lambda: registry.get_sample_value("milepost_published_statuses_total") == 1)
    await other.close()
