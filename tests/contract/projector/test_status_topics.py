"""What the projector relies on in the status topic, of the one in Kafka and the one in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.partition import Partition
from milepost_projector.status_topic import ProducerFencedError, StatusTopic
from milepost_schemas.document import Document
from milepost_schemas.status_record import decode_status
from tests.fixtures.newest_statuses import newest_statuses
from tests.fixtures.protocol.memory_clients import MemoryStatusClient
from tests.fixtures.protocol.memory_kafka import MemoryKafka
from tests.fixtures.protocol.network import OpenPort
from tests.fixtures.running_projector import World
from tests.unit.projector.log import KEYS

PARTITION = Partition(0, 1, KEYS)
Client = StatusTopic | MemoryStatusClient


@dataclass
class Topic:
    """Two owners' clients, and what a subscriber has been told of each file in the end."""

    first: Client
    second: Client
    revisions: Callable[[], Awaitable[list[int]]]


@pytest.fixture
async def kafka_topic(kafka: Server, unique: str) -> AsyncIterator[Topic]:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), "")
    await world.create()
    first, second = (StatusTopic(world.kafka, world.statuses, unique) for _ in range(2))

    async def revisions() -> list[int]:
        newest = await newest_statuses(world)
        return [decode_status(newest[name]).revision for name in sorted(newest)]

    yield Topic(first, second, revisions)
    await first.close()
    await second.close()


@pytest.fixture
def memory_topic() -> Topic:
    brokers = MemoryKafka(1)
    first, second = (MemoryStatusClient(brokers, OpenPort(owner)) for owner in range(2))

    async def revisions() -> list[int]:
        newest = brokers.statuses.newest(0)
        return [decode_status(newest[name].value).revision for name in sorted(newest)]

    return Topic(first, second, revisions)


@pytest.fixture(params=["kafka_topic", "memory_topic"])
def topic(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def documents(revision: int, *numbers: int) -> list[Document]:
    return [Document("org_1", "vs_1", f"file_{n}", revision=revision) for n in numbers]


async def test_the_last_one_that_was_published_of_a_file_is_the_newest(topic: Topic) -> None:
    await topic.first.fence(0)
    await topic.first.publish(PARTITION, documents(1, 1, 2))
    await topic.first.publish(PARTITION, documents(2, 2, 3))
    assert await topic.revisions() == [1, 2, 2]


async def test_a_former_owner_publishes_nothing_any_more(topic: Topic) -> None:
    await topic.first.fence(0)
    await topic.first.publish(PARTITION, documents(1, 1))
    await topic.second.fence(0)
    with pytest.raises(ProducerFencedError):
        await topic.first.publish(PARTITION, documents(2, 1))
    assert await topic.revisions() == [1]
    await topic.second.publish(PARTITION, documents(3, 1))
    assert await topic.revisions() == [3]


async def test_an_owner_that_fences_itself_goes_on(topic: Topic) -> None:
    for revision in (1, 2):
        await topic.first.fence(0)
        await topic.first.publish(PARTITION, documents(revision, 1))
    assert await topic.revisions() == [2]
