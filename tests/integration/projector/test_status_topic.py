from collections.abc import AsyncIterator

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.partition import Partition
from milepost_projector.status_topic import ProducerFencedError, StatusTopic
from milepost_schemas.document import Document
from milepost_schemas.keys import Keys
from milepost_schemas.record import encode_record
from tests.fixtures.expected_model import Model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.running_projector import World

KEY = "vs_1/file_1"
PARTITION = Partition(3, 1, Keys().partition(1, 3))


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


@pytest.fixture
async def frozen(world: World) -> AsyncIterator[StatusTopic]:
    """The status topic of an owner that is to be overtaken."""
    topic = StatusTopic(world.kafka, world.statuses, world.name)
    await topic.fence(PARTITION.number)
    yield topic
    await topic.close()


@pytest.fixture
async def successor(world: World) -> AsyncIterator[StatusTopic]:
    topic = StatusTopic(world.kafka, world.statuses, world.name)
    yield topic
    await topic.close()


def document(revision: int) -> Document:
    return Document("org_1", "vs_1", "file_1", revision=revision)


def model(world: World, revision: int) -> Model:
    name = Keys(world.name).partition(1, PARTITION.number).file(KEY)
    return {name: encode_record(document(revision))}


async def test_an_owner_frozen_before_it_publishes_cannot_do_so_after_its_successor(
    world: World, frozen: StatusTopic, successor: StatusTopic
) -> None:
    await frozen.publish(PARTITION, [document(1)])
    await successor.fence(PARTITION.number)
    await successor.publish(PARTITION, [document(3)])

    with pytest.raises(ProducerFencedError):
        await frozen.publish(PARTITION, [document(2)])
    assert await newest_statuses(world) == told_by(model(world, 3))


@pytest.mark.parametrize("has_published", [False, True], ids=["fenced", "overtaken"])
async def test_an_owner_frozen_amid_its_transaction_cannot_commit_it(
    world: World, frozen: StatusTopic, successor: StatusTopic, *, has_published: bool
) -> None:
    await frozen.publish(PARTITION, [document(1)])
    producer = frozen._producers[PARTITION.number]
    producer.begin_transaction()
    frozen._produce(producer, PARTITION, document(2))
    assert producer.flush(30) == 0

    await successor.fence(PARTITION.number)
    if has_published:
        await successor.publish(PARTITION, [document(3)])
    with pytest.raises(ProducerFencedError):
        await frozen._call(PARTITION.number, lambda: producer.commit_transaction(30))
    last = 3 if has_published else 1
    assert await newest_statuses(world) == told_by(model(world, last))


async def test_an_owner_that_was_fenced_can_take_the_partition_back(
    world: World, frozen: StatusTopic, successor: StatusTopic
) -> None:
    await successor.fence(PARTITION.number)
    with pytest.raises(ProducerFencedError):
        await frozen.publish(PARTITION, [document(1)])

    await frozen.fence(PARTITION.number)
    await frozen.publish(PARTITION, [document(2)])
    with pytest.raises(ProducerFencedError):
        await successor.publish(PARTITION, [document(1)])
    assert await newest_statuses(world) == told_by(model(world, 2))
