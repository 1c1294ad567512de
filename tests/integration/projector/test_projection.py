import asyncio
from typing import Any

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import POISON, Publishing, histories, shuffled


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


def progressed(percent: int, *, organization_id: str = "org_1") -> EncodedRecord:
    fact = StepProgressed(
        organization_id=organization_id,
        store_id="vs_1",
        file_id="file_1",
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"id-{percent}", "/tests", None, fact))


async def dead_letters(world: World, count: int) -> list[dict[str, bytes]]:
    """The headers of the world's dead letters, once there are that many."""
    async with asyncio.timeout(30):
        while True:
            log = await read_log(world.kafka.bootstrap_servers, world.dead_letters)
            found = [record for records in log.values() for record in records]
            if len(found) >= count:
                return [
                    dict(record.headers) | {"key": record.key, "value": record.value}
                    for record in sorted(found, key=lambda record: record.timestamp)
                ]


async def assert_equal_to_the_fold_of_the_log(world: World) -> dict[str, Any]:
    expected = expected_model(
        await read_log(world.kafka.bootstrap_servers, world.events), world.name
    )
    async with world.redis() as redis:
        stored = await stored_model(redis, world.name)
    assert stored == expected
    assert await newest_statuses(world) == told_by(expected)
    return expected


async def test_the_read_model_is_the_fold_of_the_log(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world):
        for record in shuffled(histories(150, seed=1), seed=2):
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
    model = await assert_equal_to_the_fold_of_the_log(world)
    assert len(model) > 150


async def test_a_projector_that_takes_over_goes_on_from_the_checkpoint(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    records = list(shuffled(histories(100, seed=3), seed=4))
    for half in (records[: len(records) // 2], records[len(records) // 2 :]):
        for record in half:
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        async with running_projector(world) as projector:
            await caught_up(world, publishing.ends)
        assert sum(projector.outcomes.values()) == len(half)
    await assert_equal_to_the_fold_of_the_log(world)


async def test_projectors_that_come_and_go_share_the_partitions(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world):
        for number, record in enumerate(shuffled(histories(200, seed=5), seed=6)):
            publishing.publish(record)
            if number % 3_000 == 1_500:
                async with running_projector(world):
                    await asyncio.to_thread(publishing.flush)
                    await caught_up(world, publishing.ends)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
    await assert_equal_to_the_fold_of_the_log(world)


async def test_a_wiped_redis_is_filled_again_from_the_log(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world), world.redis() as redis:
        for record in shuffled(histories(60, seed=7), seed=8):
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        await wipe(redis, world.name)
        await caught_up(world, publishing.ends)
    await assert_equal_to_the_fold_of_the_log(world)


async def wipe(redis: Any, prefix: str) -> None:
    keys = [key async for key in redis.scan_iter(match=f"{prefix}:*", count=1_000)]
    await redis.unlink(*keys)


async def test_poison_becomes_dead_letters_with_its_bytes_and_the_reason(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world) as projector:
        for record in (*POISON, progressed(10)):
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        letters = await dead_letters(world, 3)
    assert [letter["milepost-reason"] for letter in letters] == [
        b"malformed_data",
        b"unknown_type",
        b"not_a_cloudevent",
    ]
    assert [letter["value"] for letter in letters] == [b"no JSON", b"{}", b"{}"]
    assert {letter["key"] for letter in letters} == {b"vs_1/file_poison"}
    assert {letter["milepost-source-topic"] for letter in letters} == {world.events.encode()}
    assert [letter["milepost-source-offset"] for letter in letters] == [b"0", b"1", b"2"]
    assert letters[0]["ce_type"] == b"milepost.step.started.v1"
    assert projector.outcomes["foreign"] == 1
    assert projector.outcomes["applied"] == 1


async def test_another_organizations_event_is_a_dead_letter(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    async with running_projector(world), world.redis() as redis:
        publishing.publish(progressed(10))
        publishing.publish(progressed(90, organization_id="org_2"))
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        letters = await dead_letters(world, 1)
        number = partition_of(b"vs_1/file_1", PARTITIONS)
        stored = await redis.get(Keys(world.name).partition(1, number).file("vs_1/file_1"))
    assert letters[0]["milepost-reason"] == b"wrong_organization"
    assert decode_record(stored).progress_percent == 10


async def test_a_record_in_the_wrong_partition_is_a_dead_letter_that_names_the_setting(
    world: World,
) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    wrong = (partition_of(b"vs_1/file_1", PARTITIONS) + 1) % PARTITIONS
    async with running_projector(world):
        publishing.publish(progressed(10), partition=wrong)
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        letters = await dead_letters(world, 1)
    assert letters[0]["milepost-reason"] == b"wrong_partition"
    assert b"partitioner=murmur2_random" in letters[0]["milepost-detail"]
