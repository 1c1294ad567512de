"""A Kafka and a Redis that nobody else uses and that the tests may break."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from milepost.connection import KafkaSettings
from milepost_local.providers import own_kafka, own_redis
from milepost_local.servers import OwnServer
from milepost_local.settings import LocalSettings
from tests.faults.stand import Stand
from tests.fixtures.running_projector import World
from tests.fixtures.started import started


@pytest.fixture(scope="package")
def breakable_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    yield from started(own_kafka(tmp_path_factory.mktemp("kafka"), LocalSettings()))


@pytest.fixture(scope="package")
def breakable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    yield from started(own_redis(tmp_path_factory.mktemp("redis"), LocalSettings()))


@pytest.fixture
async def stand(
    breakable_kafka: OwnServer, breakable_redis: OwnServer, unique: str, tmp_path: Path
) -> AsyncIterator[Stand]:
    for server in (breakable_kafka, breakable_redis):
        if server.pid is None:
            await server.start()
    connection = KafkaSettings(bootstrap_servers=breakable_kafka.address)
    world = World(unique, connection, breakable_redis.address)
    await world.create()
    made = Stand(world, breakable_kafka, breakable_redis, tmp_path)
    yield made
    made.kill()
