import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from milepost_local.servers import OwnServer, Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.waits.subscription import Listener, Subscription
from milepost_schemas.document import render_status
from tests.integration.query.files import completed, processing
from tests.integration.query.process import query_process
from tests.integration.query.running import running_query
from tests.integration.query.stored_model import StoredModel
from tests.integration.query.streams import Stream, streaming
from tests.integration.query.waiting_clients import listeners, one_who_waits, until, waiting


@pytest.fixture
async def own_client(
    own_server: OwnServer, own_model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    async with running_query(
        own_server.address, prefix=own_model.prefix, api_keys=ApiKeys(keys_file)
    ) as client:
        yield client


async def test_waits_and_streams_outlast_a_short_outage(
    own_server: OwnServer, own_model: StoredModel, own_client: httpx.AsyncClient
) -> None:
    async with (
        streaming(own_client) as stream,
        one_who_waits(own_client, processing()) as wait,
    ):
        await stream.status()
        own_server.kill()
        await own_server.start()
        await own_model.redis.connection_pool.disconnect()
        await own_model.begin()
        await own_model.put(completed())

        assert (await wait).content == render_status(completed())
        assert (await stream.status()).is_status_of(completed())
        assert await stream.next() is None


async def test_without_redis_a_wait_is_503_at_its_deadline_and_a_stream_ends(
    own_server: OwnServer, own_model: StoredModel, own_client: httpx.AsyncClient
) -> None:
    async with streaming(own_client) as stream:
        await stream.status()
        wait = asyncio.create_task(waiting(own_client, wait_s=1))
        await until(lambda: listeners(own_model, processing()))
        own_server.kill()

        assert (await wait).status_code == 503
        last = await stream.status()
        assert 1_000 <= int(last.fields["retry"]) <= 5_000
        assert await stream.next() is None

    assert (await waiting(own_client, wait_s=1)).status_code == 503


async def test_outages_leak_no_connection(
    own_model: StoredModel, own_client: httpx.AsyncClient
) -> None:
    redis = own_model.redis
    async with streaming(own_client) as stream:
        await stream.status()
        for _ in range(3):
            await until(lambda: listeners(own_model, processing()))
            await redis.client_kill_filter(_type="pubsub", skipme=True)
            await redis.client_kill_filter(_type="normal", skipme=True)
        await until(lambda: listeners(own_model, processing()))
        # The reader's and this test's.
        assert len(await redis.client_list(_type="normal")) == 2
        assert len(await redis.client_list(_type="pubsub")) == 1

    async def is_alone() -> bool:
        return not await redis.client_list(_type="pubsub")

    await until(is_alone)


async def test_a_lost_subscription_is_not_connected_again(own_server: OwnServer) -> None:
    async with Redis.from_url(own_server.address) as redis:
        subscription = Subscription(redis, Listener(lambda _: None, lambda _: None))
        await subscription.connect()
        own_server.kill()
        await own_server.start()
        await redis.connection_pool.disconnect()
        for channel in ("one", "two"):
            with pytest.raises(RedisConnectionError):
                await subscription.want({channel})

        assert len(await redis.client_list()) == 1


async def test_the_end_of_the_service_ends_waits_and_streams_at_once(
    redis_server: Server, model: StoredModel, keys_file: Path, tmp_path: Path
) -> None:
    await model.put(processing())
    settings = {
        "redis_url": redis_server.address,
        "redis_prefix": model.prefix,
        "api_keys_file": keys_file,
    }
    async with (
        query_process(tmp_path / "query.log", **settings) as query,
        httpx.AsyncClient(base_url=await query.url()) as client,
        streaming(client) as stream,
    ):
        await stream.status()
        wait = asyncio.create_task(waiting(client))
        conditional = asyncio.create_task(waiting(client, if_none_match='"1.7"'))
        await until(lambda: listeners(model, processing()))
        query.process.send_signal(signal.SIGTERM)

        assert (await wait).content == render_status(processing())
        assert (await conditional).status_code == 304
        assert await _last(stream) == "retry"
        code = await query.ended()

    assert code == 0
    assert query.events()[-1]["event"] == "stopped"
    assert "Cancel" not in query.logged()


async def _last(stream: Stream) -> str:
    event = await stream.status()
    assert await stream.next() is None
    (name,) = event.fields
    return name
