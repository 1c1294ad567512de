"""One read model and one query service for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from milepost_local.providers import own_redis
from milepost_local.servers import OwnServer, Server
from milepost_local.settings import LocalSettings
from milepost_query.access.api_keys import ApiKeys
from tests.integration.query.files import processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import KEYS, READER, running_query, write_keys
from tests.integration.query.stored_model import StoredModel


@pytest.fixture
async def model(redis_server: Server, unique: str) -> AsyncIterator[StoredModel]:
    async with Redis.from_url(redis_server.address) as redis:
        stored = StoredModel(redis, unique)
        await stored.begin()
        yield stored


@pytest.fixture
async def projected(redis_server: Server, unique: str) -> AsyncIterator[ProjectedFiles]:
    """Instead of `model`, for what a client reads from indexes."""
    files = ProjectedFiles(redis_server.address, unique)
    await files.begin()
    yield files
    await files.aclose()


@pytest.fixture
async def reader(
    redis_server: Server, projected: ProjectedFiles, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may read `projected`."""
    api_keys = ApiKeys(keys_file)
    async with running_query(
        redis_server.address, prefix=projected.prefix, api_keys=api_keys
    ) as http_client:
        http_client.headers.update(READER)
        yield http_client


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


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[OwnServer]:
    server = own_redis(tmp_path, LocalSettings())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def own_model(own_server: OwnServer) -> AsyncIterator[StoredModel]:
    async with Redis.from_url(own_server.address) as redis:
        model = StoredModel(redis, "mp")
        await model.begin()
        await model.put(processing())
        yield model
