"""A Redis Cluster, and a Redis behind sentinels, whose processes these tests may kill."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from milepost_query.access.api_keys import ApiKeys
from tests.fixtures.found_redis import FoundRedis
from tests.fixtures.redis_cluster import RedisCluster
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.integration.query.running import KEYS, running_query, write_keys
from tests.integration.query.stored_model import StoredModel


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


@pytest.fixture
def api_keys(tmp_path: Path) -> ApiKeys:
    write_keys(tmp_path / "api-keys.json", KEYS)
    return ApiKeys(tmp_path / "api-keys.json")


@pytest.fixture
async def model(cluster: RedisCluster, unique: str) -> AsyncIterator[StoredModel]:
    async with FoundRedis(cluster.url) as redis:
        stored = StoredModel(cast("Any", redis), unique)
        await stored.begin()
        yield stored


@pytest.fixture
async def client(
    cluster: RedisCluster, model: StoredModel, api_keys: ApiKeys
) -> AsyncIterator[httpx.AsyncClient]:
    async with running_query(cluster.url, prefix=model.prefix, api_keys=api_keys) as http_client:
        yield http_client
