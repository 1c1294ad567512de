import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from milepost.admin import committed_notes
from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.projector import Projector
from milepost_projector.read_model import RedisReadModel
from milepost_projector.rebuild.command import give_up, report, run
from milepost_projector.rebuild.course import MissingHistoryError, SetBackError
from milepost_projector.rebuild.generations import (
    Generations,
    NoReadModelError,
    OverruledError,
)
from milepost_projector.rebuild.lock import AlreadyRunningError, RebuildLock
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.rebuilding import Watched, rebuilt, source_of, stopped
from tests.fixtures.running_projector import World, caught_up, live_generation, running_projector
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing, histories, shuffled


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


def some_records(seed: int) -> Sequence[EncodedRecord]:
    return list(shuffled(histories(60, seed=seed), seed=seed))


async def publish(world: World, records: Sequence[EncodedRecord]) -> dict[int, int]:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    for record in records:
        publishing.publish(record)
    await asyncio.to_thread(publishing.flush)
    return publishing.ends


async def assert_the_model_is_the_fold(world: World, generation: int) -> None:
    """Of that generation, nothing of another one left, and the status topic says the same."""
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    expected = expected_model(log, world.name, generation)
    async with world.redis() as redis:
        assert await stored_model(redis, world.name, generation) == expected
        stray = [key async for key in redis.scan_iter(f"{world.name}:{{g*")]
        assert all(key.startswith(f"{world.name}:{{g{generation}.".encode()) for key in stray)
        meta = Meta.decode(await redis.get(Keys(world.name).meta))
    assert (meta.generation, meta.building, meta.switch) == (generation, None, "")
    await until_told(world, told_by(expected))


async def until_told(world: World, expected: dict[str, bytes]) -> None:
    async with asyncio.timeout(60):
        while await newest_statuses(world) != expected:  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.1)


async def test_a_rebuilt_model_is_the_fold_and_live_projectors_go_on_with_it(world: World) -> None:
    records = some_records(1)
    async with running_projector(world):
        ends = await publish(world, records[: len(records) // 2])
        await caught_up(world, ends)
        result = await rebuilt(world)
        assert (result.former, result.generation) == (1, 2)
        assert result.compared is not None
        assert (result.compared.different, result.compared.left_out) == (0, 0)
        assert result.compared.files > 30
        ends |= await publish(world, records[len(records) // 2 :])
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_a_rebuild_that_was_stopped_goes_on_with_what_is_filled(world: World) -> None:
    async with running_projector(world):
        ends = await publish(world, some_records(2))
        await caught_up(world, ends)
        await stopped(world, "Comparing")
        result = await rebuilt(world)
        assert (result.generation, result.records) == (2, 0)
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_a_rebuild_that_is_given_up_leaves_nothing_but_its_number(world: World) -> None:
    async with running_projector(world):
        ends = await publish(world, some_records(3))
        await caught_up(world, ends)
        await stopped(world, "Comparing")
        assert await give_up(source_of(world), Watched()) > 60
        await assert_the_model_is_the_fold(world, 1)
        assert (await rebuilt(world)).generation == 3
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 3)


async def test_a_switch_that_is_never_finished_is_taken_back(world: World) -> None:
    records = some_records(4)
    async with running_projector(world, patience_s=0.5):
        ends = await publish(world, records[:-100])
        await caught_up(world, ends)
        await stopped(world, "Generation 1 is closed")
        ends |= await publish(world, records[-100:])
        await caught_up(world, ends)
        assert (await rebuilt(world)).generation == 2
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_damage_of_the_live_model_is_healed_and_named(world: World) -> None:
    async with running_projector(world):
        ends = await publish(world, some_records(5))
        await caught_up(world, ends)
        async with world.redis() as redis:
            files = sorted([key async for key in redis.scan_iter(f"{world.name}:*:f:*")])
            await redis.copy(files[0], files[1], replace=True)
            await redis.delete(files[2])
            await redis.copy(files[3], files[3] + b"_of_nobody")
        result = await rebuilt(world)
        assert result.compared is not None
        damaged = [files[1], files[2], files[3] + b"_of_nobody"]
        assert {
            (difference.file_key, difference.is_live, difference.is_rebuilt)
            for difference in result.compared.shown
        } == {
            (name.decode().partition(":f:")[2], *there)
            for name, there in zip(
                damaged, [(True, True), (False, True), (True, False)], strict=True
            )
        }
        assert result.compared.different == 3
        assert [line.split()[0] for line in report(result).splitlines()[-3:]] == [
            difference.file_key for difference in result.compared.shown
        ]
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_a_wiped_redis_is_filled_again_in_the_generation_that_was_live(world: World) -> None:
    async with running_projector(world), world.redis() as redis:
        ends = await publish(world, some_records(8))
        await caught_up(world, ends)
        await rebuilt(world)
        await caught_up(world, ends)
        await until_noted(world, "2")
        keys = [key async for key in redis.scan_iter(f"{world.name}:*")]
        await redis.unlink(*keys)
        await until_live(world, 2)
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_a_redis_that_was_set_back_is_not_rebuilt_before_a_projector_has_seen_it(
    world: World,
) -> None:
    async with running_projector(world), world.redis() as redis:
        ends = await publish(world, some_records(13))
        await caught_up(world, ends)
        meta = await redis.get(Keys(world.name).meta)
        await rebuilt(world)
        await until_noted(world, "2")
    async with world.redis() as redis:
        await redis.set(Keys(world.name).meta, meta)
    with pytest.raises(SetBackError, match="generation 2"):
        await rebuilt(world)


async def test_a_redis_that_lost_no_more_than_the_switch_is_told_of_it_again(world: World) -> None:
    async with running_projector(world) as projector, world.redis() as redis:
        ends = await publish(world, some_records(11))
        await caught_up(world, ends)
        meta = await redis.get(Keys(world.name).meta)
        await rebuilt(world)
        tags = {Keys(world.name).partition(2, number).tag for number in range(PARTITIONS)}
        await until(lambda: {fold.keys.tag for fold in projector._folds.values()} == tags)
        await redis.set(Keys(world.name).meta, meta)
        await until_live(world, 2)
        await assert_the_model_is_the_fold(world, 2)


async def test_a_rebuild_that_was_taken_for_dead_cannot_switch(world: World) -> None:
    async with running_projector(world):
        ends = await publish(world, some_records(12))
        await caught_up(world, ends)
        first = halting_rebuild(world)
        try:
            async with asyncio.timeout(60):
                while not is_stopped(first):  # noqa: ASYNC110  no event tells
                    await asyncio.sleep(0.05)
            # Of other code, so it begins a generation of its own and removes the first one's.
            assert (await rebuilt(world, model_version=2)).generation == 3
            first.send_signal(signal.SIGCONT)
            output, _ = await asyncio.to_thread(first.communicate)
        finally:
            first.kill()
        assert first.returncode == 1
        assert b"OvertakenError" in output
    async with running_projector(world, model_version=2):
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 3)


def halting_rebuild(world: World) -> subprocess.Popen[bytes]:
    """A process that stops itself once it has closed the live generation."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": world.kafka.bootstrap_servers,
        "EVENTS_TOPIC": world.events,
        "PROJECTOR_GROUP": world.name,
        "REDIS_URL": world.redis_url,
        "REDIS_PREFIX": world.name,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.halting_rebuild", "SIGSTOP", "is closed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {f"MILEPOST_{name}": value for name, value in settings.items()},  # noqa: TID251  a child's environment
    )


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


async def test_what_is_newer_than_the_removal_is_never_removed(world: World) -> None:
    read_model = RedisReadModel(world.redis_url, Keys(world.name))
    async with world.redis() as redis:
        await redis.set(read_model.keys.meta, Meta(2, PARTITIONS, 1).encode())
        for generation in (1, 2, 3, 12):
            await redis.set(Keys(world.name).partition(generation, 7).checkpoint, "0 0 0 0 -")
        assert await Generations(read_model).remove([2], 3) == 2
        left = {key async for key in redis.scan_iter(f"{world.name}:{{*")}
        await redis.unlink(*left)
    await read_model.close()
    assert left == {f"{world.name}:{{g{number}.p7}}:c".encode() for number in (2, 12)}


async def test_what_is_live_again_in_a_redis_that_went_back_is_not_removed(world: World) -> None:
    read_model = RedisReadModel(world.redis_url, Keys(world.name))
    checkpoint = Keys(world.name).partition(1, 7).checkpoint
    async with world.redis() as redis:
        await redis.set(checkpoint, "0 0 0 0 -")
        for meta in (Meta(1, PARTITIONS, 1), Meta(12, PARTITIONS, 1), None):
            await redis.set(read_model.keys.meta, meta.encode() if meta else b"")
            with pytest.raises(OverruledError):
                await Generations(read_model).remove([2], 2)
        assert await redis.exists(checkpoint)
        await redis.unlink(checkpoint)
    await read_model.close()


async def test_a_redis_that_went_back_behind_the_switch_is_brought_forward(world: World) -> None:
    async with running_projector(world), world.redis() as redis:
        ends = await publish(world, some_records(9))
        await caught_up(world, ends)
        before = {key: await redis.dump(key) async for key in redis.scan_iter(f"{world.name}:*")}
        await rebuilt(world)
        await caught_up(world, ends)
        await until_noted(world, "2")
        await redis.unlink(*[key async for key in redis.scan_iter(f"{world.name}:*")])
        for key, value in before.items():
            await redis.restore(key, 0, value, replace=True)
        await until_live(world, 2)
        await caught_up(world, ends)
        await give_up(source_of(world), Watched())
        await assert_the_model_is_the_fold(world, 2)


async def test_the_group_never_takes_a_commit_back(world: World) -> None:
    committed: list[int] = []
    async with running_projector(world) as projector:
        ends = await publish(world, some_records(10))
        await caught_up(world, ends)
        await until_committed(projector, ends)
        await rebuilt(world)
        for _ in range(50):
            offsets = await projector._consumer.committed(ends)
            committed.append(sum(offset or 0 for offset in offsets.values()))
            await asyncio.sleep(0.02)
        await assert_the_model_is_the_fold(world, 2)
    assert min(committed) == sum(ends.values())


async def until_committed(projector: Projector, ends: dict[int, int]) -> None:
    async with asyncio.timeout(60):
        while await projector._consumer.committed(ends) != ends:  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.05)


async def until_noted(world: World, note: str) -> None:
    async with asyncio.timeout(60):
        group = world.name
        while note not in (await committed_notes(world.kafka, group, world.events)).values():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_live(world: World, generation: int) -> None:
    async with asyncio.timeout(60), world.redis() as redis:
        while await live_generation(redis, world.name) != generation:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_newer_model_is_built_while_the_old_one_is_still_written(world: World) -> None:
    records = some_records(6)
    async with running_projector(world) as old:
        ends = await publish(world, records[:-100])
        await caught_up(world, ends)
        result = await rebuilt(world, model_version=2)
        assert (result.generation, result.compared) == (2, None)
        ends |= await publish(world, records[-100:])
        await until(lambda: not old._folds)
        with pytest.raises(TimeoutError):
            await caught_up(world, ends, within_s=2)
    async with running_projector(world, model_version=2):
        await caught_up(world, ends)
        await assert_the_model_is_the_fold(world, 2)


async def test_there_is_one_rebuild_at_a_time(world: World) -> None:
    read_model = RedisReadModel(world.redis_url, Keys(world.name))
    async with RebuildLock(read_model).held():
        with pytest.raises(AlreadyRunningError):
            await rebuilt(world)
    await read_model.close()


async def test_without_a_read_model_there_is_nothing_to_rebuild(world: World) -> None:
    with pytest.raises(NoReadModelError):
        await rebuilt(world)


async def test_a_log_without_its_beginning_is_not_taken_for_the_whole(world: World) -> None:
    records = some_records(7)
    async with running_projector(world):
        await caught_up(world, await publish(world, records))
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(world.events, 0): RecordsToDelete(before_offset=3)})
    await admin.close()
    with pytest.raises(MissingHistoryError, match="3 records"):
        await rebuilt(world)
    result = await run(source_of(world), Watched(), processes=1, accept_missing=True)
    assert result.generation == 2
