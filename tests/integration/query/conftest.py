"""One read model and one query service for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from milepost_local.servers import Server
from milepost_query.api_keys import ApiKeys
from tests.integration.query.running import KEYS, running_query, write_keys
from tests.integration.query.stored_model import StoredModel


@pytest.fixture
async def model(redis_server: Server, unique: str) -> AsyncIterator[StoredModel]:
    async with Redis.from_url(redis_server.address) as redis:
        stored = StoredModel(redis, unique)
        await stored.begin()
        yield stored


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "api-keys.json"
    write_keys(path, KEYS)
    return path


@pytest.fixture
async def client(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    api_keys = ApiKeys(keys_file)
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=api_keys
    ) as http_client:
        yield http_client
