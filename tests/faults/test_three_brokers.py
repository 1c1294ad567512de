import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from milepost.connection import KafkaSettings
from milepost_local.kafka_server import native_brokers
from milepost_local.servers import NativeServer, OwnServer
from milepost_local.settings import LocalSettings
from tests.faults.stand import Stand, until
from tests.fixtures.running_projector import World

BROKERS = 3


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[NativeServer]]:
    folder = tmp_path_factory.mktemp("brokers")
    java_home = LocalSettings().java_home
    made = native_brokers(folder, BROKERS, logs=folder / "logs", java_home=java_home)
    try:
        asyncio.run(start(made))
        yield made
    finally:
        for broker in made:
            broker.kill()


async def start(brokers: list[NativeServer]) -> None:
    await asyncio.gather(*(broker.start() for broker in brokers))


@pytest.fixture
async def stand(
    brokers: list[NativeServer], breakable_redis: OwnServer, unique: str, tmp_path: Path
) -> AsyncIterator[Stand]:
    """Its Kafka is the broker that leads most partitions of the log."""
    if breakable_redis.pid is None:
        await breakable_redis.start()
    addresses = ",".join(broker.address for broker in brokers)
    world = World(unique, KafkaSettings(bootstrap_servers=addresses), breakable_redis.address)
    await world.create()
    await until(lambda: is_replicated(world))
    leaders = Counter(partition["leader"] for partition in await partitions(world))
    ((leader, _),) = leaders.most_common(1)
    made = Stand(world, brokers[leader - 1], breakable_redis, tmp_path)
    yield made
    made.kill()


async def test_the_broker_that_leads_most_is_killed_and_nothing_acknowledged_is_lost(
    stand: Stand, brokers: list[NativeServer]
) -> None:
    killed = [broker.name for broker in brokers].index(stand.kafka.name) + 1

    async def is_without_partitions() -> bool:
        described = await partitions(stand.world)
        return bool(described) and killed not in [each["leader"] for each in described]

    async with asyncio.TaskGroup() as tasks, stand.at_work(seed=31):
        stand.kafka.kill()
        await until(is_without_partitions)
        await stand.has_moved_on()
        tasks.create_task(stand.kafka.start())
    await until(lambda: is_replicated(stand.world))


async def is_replicated(world: World) -> bool:
    """Whether every partition of the log is on all brokers, up to its end."""
    described = await partitions(world)
    return bool(described) and all(len(each["isr"]) == BROKERS for each in described)


async def partitions(world: World) -> list[dict[str, Any]]:
    """What the brokers say of the partitions of the log; nothing if the wrong one was asked."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap_servers)
    try:
        await admin.start()
        (topic,) = await admin.describe_topics([world.events])
        described: list[dict[str, Any]] = topic["partitions"]
    except KafkaError:
        return []
    finally:
        await admin.close()
    return described
