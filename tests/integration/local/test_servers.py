"""Real servers as they are started, killed and started again."""

import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from milepost_local.containers import container_kafka, container_redis
from milepost_local.errors import LocalStackError, ServerFailedError
from milepost_local.kafka_server import native_kafka
from milepost_local.redis_server import native_redis
from milepost_local.servers import ExternalServer, NativeServer, OwnServer, Server
from tests.integration.local.kafka_records import count_records, publish_records


async def assert_kafka_survives_a_kill(kafka: OwnServer, topic: str) -> None:
    await kafka.start()
    try:
        address, first_pid = kafka.address, kafka.pid
        await publish_records(address, topic, count=100)
        kafka.kill()
        assert kafka.pid is None
        await kafka.start()
        assert kafka.pid not in {None, first_pid}
        assert kafka.address == address
        assert await count_records(address, topic) == 100
    finally:
        await kafka.stop()
    assert kafka.pid is None


async def assert_redis_survives_a_kill(redis: OwnServer) -> None:
    await redis.start()
    try:
        async with Redis.from_url(redis.address) as client:
            await client.set("kept", "yes")
        redis.kill()
        assert redis.pid is None
        await redis.start()
        async with Redis.from_url(redis.address) as client:
            assert await client.get("kept") == b"yes"
            assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
    finally:
        await redis.stop()
    assert redis.pid is None


async def test_a_killed_kafka_comes_back_with_its_records_on_its_port(
    tmp_path: Path, unique: str
) -> None:
    kafka = native_kafka(tmp_path / "kafka", log=tmp_path / "kafka.log")
    await assert_kafka_survives_a_kill(kafka, unique)


async def test_a_killed_redis_comes_back_with_its_keys_on_its_port(tmp_path: Path) -> None:
    await assert_redis_survives_a_kill(native_redis(tmp_path / "r", log=tmp_path / "redis.log"))


@pytest.mark.docker
async def test_a_killed_kafka_container_comes_back_with_its_records(
    tmp_path: Path, unique: str
) -> None:
    kafka = container_kafka(tmp_path / "kafka", log=tmp_path / "kafka.log")
    await assert_kafka_survives_a_kill(kafka, unique)


@pytest.mark.docker
async def test_a_killed_redis_container_comes_back_with_its_keys(tmp_path: Path) -> None:
    await assert_redis_survives_a_kill(container_redis(tmp_path / "r", log=tmp_path / "redis.log"))


async def test_another_server_object_on_the_same_data_gets_the_same_port(tmp_path: Path) -> None:
    first = native_redis(tmp_path / "redis", log=tmp_path / "redis.log")
    await first.start()
    await first.stop()

    assert native_redis(tmp_path / "redis", log=tmp_path / "redis.log").address == first.address


async def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    one = native_redis(tmp_path / "one", log=tmp_path / "one.log")
    other = native_redis(tmp_path / "other", log=tmp_path / "other.log")
    await one.start()
    await other.start()
    try:
        async with Redis.from_url(one.address) as client:
            await client.set("key", "one")
        async with Redis.from_url(other.address) as client:
            assert await client.get("key") is None
    finally:
        await other.stop()
        await one.stop()


async def test_a_server_that_ends_at_once_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    server = NativeServer(
        "redis",
        "redis://127.0.0.1:1/0",
        log=tmp_path / "redis.log",
        prepare=lambda: ["redis-server-that-does-not-exist"],
        is_ready=_never,
    )

    with pytest.raises(ServerFailedError, match=r"ended before it was ready; see .*redis\.log"):
        await server.start()


async def test_a_server_that_never_answers_is_killed_at_the_deadline(tmp_path: Path) -> None:
    server = NativeServer(
        "sleeper",
        "nowhere",
        log=tmp_path / "sleeper.log",
        prepare=lambda: ["sleep", "600"],
        is_ready=_never,
    )

    with pytest.raises(ServerFailedError, match=r"did not answer within 0\.3 s"):
        await server.start(within_s=0.3)
    assert server.pid is None


async def test_an_address_where_nobody_answers_is_an_error_that_says_what_to_do() -> None:
    server = ExternalServer("Redis", "redis://127.0.0.1:1/0", is_ready=_never)

    with pytest.raises(LocalStackError, match=r"No Redis answers at redis://127\.0\.0\.1:1/0"):
        await server.start(within_s=0.2)


async def test_a_frozen_server_is_stopped_by_force(tmp_path: Path) -> None:
    redis = native_redis(tmp_path / "redis", log=tmp_path / "redis.log")
    await redis.start()
    assert redis.pid
    os.kill(redis.pid, signal.SIGSTOP)

    await redis.stop(within_s=0.3)

    assert redis.pid is None


async def test_the_session_servers_answer(kafka: Server, redis_server: Server, unique: str) -> None:
    await publish_records(kafka.address, unique, count=1)
    assert await count_records(kafka.address, unique) == 1
    async with Redis.from_url(redis_server.address) as client:
        assert await client.ping()


async def _never() -> bool:
    return False
