from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import OwnServer
from tests.faults.stand import STRIDE, Stand
from tests.fixtures import waiting
from tests.fixtures.redis_cluster import RedisCluster, call, until
from tests.fixtures.running_projector import World


@pytest.fixture
async def stand(
    breakable_kafka: OwnServer, redis_cluster: RedisCluster, unique: str, tmp_path: Path
) -> AsyncIterator[Stand]:
    """Its Redis is the primary of the first partition."""
    if breakable_kafka.pid is None:
        await breakable_kafka.start()
    await redis_cluster.start()
    connection = KafkaSettings(bootstrap_servers=breakable_kafka.address)
    world = World(unique, connection, redis_cluster.url)
    await world.create()
    primary = await redis_cluster.primary_of("{g1.p0}")
    made = Stand(world, breakable_kafka, primary, tmp_path)
    yield made
    made.kill()


async def test_a_primary_that_is_killed_is_replaced_and_nothing_is_lost(
    stand: Stand, redis_cluster: RedisCluster
) -> None:
    primary = await redis_cluster.primary_of("{g1.p0}")
    async with stand.at_work(seed=21):
        stand.redis.kill()
        await until(lambda: redis_cluster.is_replaced(primary))
        await stand.has_moved_on()
        await stand.redis.start()


async def test_a_replica_that_lags_takes_over_and_is_brought_up_again(
    stand: Stand, redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    primary = await redis_cluster.primary_of("{g1.p0}")
    replica = await redis_cluster.replica_of(primary)
    async with stand.at_work(seed=22) as work:
        # The wrong password keeps the replica off, and nobody else.
        await call(replica, "CONFIG", "SET", "masterauth", "wrong", "masteruser", "nobody")
        await call(primary, "CLIENT", "KILL", "TYPE", "replica")
        acknowledged = work.load.acknowledged
        await waiting.until(lambda: work.load.acknowledged > acknowledged + 2 * STRIDE)
        await stand.has_moved_on()
        stand.redis.kill()
        await until(lambda: redis_cluster.is_replaced(primary))
        await stand.has_moved_on()
        await call(replica, "CONFIG", "SET", "masterauth", "", "masteruser", "")
    assert "checkpoint_lost" in (tmp_path / "projector.log").read_text()
