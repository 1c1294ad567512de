import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import OwnServer
from tests.faults.stand import Stand
from tests.fixtures.redis_cluster import until
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.fixtures.running_projector import World


@pytest.fixture(scope="module")
def breakable_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    made = RedisSentinel(tmp_path_factory.mktemp("sentinel"))
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


@pytest.fixture
async def stand(
    breakable_kafka: OwnServer, breakable_sentinel: RedisSentinel, unique: str, tmp_path: Path
) -> AsyncIterator[Stand]:
    """Its Redis is the master."""
    if breakable_kafka.pid is None:
        await breakable_kafka.start()
    await breakable_sentinel.start()
    connection = KafkaSettings(bootstrap_servers=breakable_kafka.address)
    world = World(unique, connection, breakable_sentinel.url)
    await world.create()
    made = Stand(world, breakable_kafka, await breakable_sentinel.master(), tmp_path)
    yield made
    made.kill()


async def test_a_master_that_is_killed_is_replaced_and_nothing_is_lost(
    stand: Stand, breakable_sentinel: RedisSentinel
) -> None:
    master = await breakable_sentinel.master()
    async with stand.at_work(seed=23):
        stand.redis.kill()
        await until(lambda: breakable_sentinel.is_replaced(master))
        await stand.has_moved_on()
        # It comes back as the master that it was, and is told that it is not any more.
        await stand.redis.start()
