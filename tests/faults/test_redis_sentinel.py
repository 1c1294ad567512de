from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import OwnServer
from tests.faults.stand import Stand
from tests.fixtures.redis_cluster import until
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.fixtures.running_projector import World


@pytest.fixture
async def stand(
    breakable_kafka: OwnServer, redis_sentinel: RedisSentinel, unique: str, tmp_path: Path
) -> AsyncIterator[Stand]:
    """Its Redis is the master."""
    if breakable_kafka.pid is None:
        await breakable_kafka.start()
    await redis_sentinel.start()
    connection = KafkaSettings(bootstrap_servers=breakable_kafka.address)
    world = World(unique, connection, redis_sentinel.url)
    await world.create()
    made = Stand(world, breakable_kafka, await redis_sentinel.master(), tmp_path)
    yield made
    made.kill()


async def test_a_master_that_is_killed_is_replaced_and_nothing_is_lost(
    stand: Stand, redis_sentinel: RedisSentinel
) -> None:
    master = await redis_sentinel.master()
    async with stand.at_work(seed=23):
        stand.redis.kill()
        await until(lambda: redis_sentinel.is_replaced(master))
        await stand.has_moved_on()
        # It comes back as the master that it was, and is told that it is not any more.
        await stand.redis.start()
