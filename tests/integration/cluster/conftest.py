"""A Redis Cluster, and a Redis behind sentinels, whose processes these tests may kill."""

from collections.abc import AsyncIterator
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


@pytest.fixture
async def cluster(redis_cluster: RedisCluster) -> RedisCluster:
    """Whole, whatever the test before has broken."""
    await redis_cluster.start()
    return redis_cluster


@pytest.fixture
async def sentinel(redis_sentinel: RedisSentinel) -> RedisSentinel:
    """Whole, whatever the test before has broken."""
    await redis_sentinel.start()
    return redis_sentinel


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
