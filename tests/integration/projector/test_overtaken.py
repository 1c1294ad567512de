"""Retention passes an offset between the moment it is decided on and the moment it is read."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from structlog.testing import capture_logs

from milepost.log_reader import LogReader
from milepost_projector.partition import Partition
from milepost_projector.publication import Means, Publication
from milepost_projector.read_model import RedisReadModel
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.waiting import until
from tests.integration.projector.test_opening import (
    PARTITION,
    admin,
    project,
    publish,
    stored,
    world,
)
from tests.unit.projector.observed import some_metrics

__all__ = ["admin", "world"]


async def take_away(world: World, admin: AIOKafkaAdminClient, before: int) -> None:
    gone = {TopicPartition(world.events, PARTITION): RecordsToDelete(before_offset=before)}
    await admin.delete_records(gone)


async def test_a_mark_that_retention_takes_away_while_it_is_looked_up_is_not_missed(
    world: World,
    admin: AIOKafkaAdminClient,
) -> None:
    await project(world, await publish(world, [10, 20]))
    ends = await publish(world, [30])

    async with running_projector(world) as projector:
        reading = projector._consumer.log._reading
        async with reading:
            await until(lambda: reading._waiters)
            await take_away(world, admin, 2)
        await caught_up(world, ends)
    assert (await stored(world))[1] == 30


async def test_statuses_that_retention_overtakes_are_counted_and_gone_on_behind(
    world: World,
    admin: AIOKafkaAdminClient,
) -> None:
    ends = await publish(world, [10, 20, 30])
    await project(world, ends)
    partition = Partition(PARTITION, 1, Keys(world.name).partition(1, PARTITION))
    async with world.redis() as redis:
        await redis.set(partition.keys.published, 0)
    await take_away(world, admin, 2)

    topic = StatusTopic(world.kafka, world.statuses, world.name)
    read_model = RedisReadModel(world.redis_url, Keys(world.name))
    reader = LogReader(world.kafka, world.events)
    await reader.start()
    await topic.fence(PARTITION)
    means = Means(topic, read_model, reader, some_metrics())
    publication = Publication(partition, means, 0, Checkpoint(ends[PARTITION]))
    with capture_logs() as logs:
        running = asyncio.create_task(publication.run())
        completed = asyncio.create_task(publication.completed())
        await asyncio.wait([running, completed], return_when="FIRST_COMPLETED", timeout=60)
        running.cancel()
        completed.cancel()
    await reader.stop()
    await topic.close()
    await read_model.close()
    assert [each["records"] for each in logs if each["event"] == "statuses_missing"] == [2]
    assert publication.is_complete
