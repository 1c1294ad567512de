"""A Redis Cluster, and a Redis behind sentinels, whose processes these tests may kill."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fixtures.redis_cluster import RedisCluster
from tests.fixtures.redis_sentinel import RedisSentinel


@pytest.fixture(scope="package")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    made = RedisCluster(tmp_path_factory.mktemp("cluster"))
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


@pytest.fixture
async def cluster(started_cluster: RedisCluster) -> RedisCluster:
    """Whole, whatever the test before has broken."""
    await started_cluster.start()
    return started_cluster


@pytest.fixture(scope="package")
def started_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    made = RedisSentinel(tmp_path_factory.mktemp("sentinel"))
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


@pytest.fixture
async def sentinel(started_sentinel: RedisSentinel) -> RedisSentinel:
    """Whole, whatever the test before has broken."""
    await started_sentinel.start()
    return started_sentinel
