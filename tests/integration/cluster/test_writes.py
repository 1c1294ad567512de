from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from milepost_primaries.primaries import slot_of
from milepost_projector.read_model import (
    NO_CHECKPOINT,
    ReadModelUnavailableError,
    ReadModelUnfitError,
    RedisReadModel,
)
from milepost_projector.rebuild.generations import Generations, OverruledError
from milepost_projector.slices import Command, Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.found_redis import FoundRedis
from tests.fixtures.redis_cluster import RedisCluster, call, until
from tests.fixtures.redis_sentinel import RedisSentinel


@dataclass
class Written:
    """A read model that the test writes to, and what says where its partitions are."""

    model: RedisReadModel
    redis: FoundRedis

    def move(self, number: int, offset: int, *commands: Command) -> Slice:
        """One more record of a partition, which changes its only file."""
        before = at(offset - 1) if offset > 1 else NO_CHECKPOINT
        document = Document("org_1", "vs_1", "file_1", revision=offset)
        name = self.keys(number).file("vs_1/file_1").encode()
        record = [name, encode_record(document)]
        counted: Command = ["COUNT", self.keys(number).usage("org_1"), "vs_1/files", "1"]
        return Slice(number, before, at(offset), offset, record, [counted, *commands])

    async def write(self, *slices: Slice) -> list[bytes]:
        return await self.model.write(slices, [self.keys(each.partition) for each in slices])

    async def is_written(self, *slices: Slice) -> bool:
        try:
            return await self.write(*slices) == [each.checkpoint for each in slices]
        except ReadModelUnavailableError:
            return False

    async def counts(self) -> list[int]:
        usage = [self.keys(number).usage("org_1") for number in range(PARTITIONS)]
        return [int(await self.redis.hget(name, "vs_1/files") or 0) for name in usage]

    def keys(self, number: int) -> PartitionKeys:
        return self.model.keys.partition(1, number)


def at(offset: int) -> bytes:
    return Checkpoint(offset, fingerprint=f"{offset - 1}:ab").encode()


@asynccontextmanager
async def written_at(url: str, prefix: str) -> AsyncIterator[Written]:
    model = RedisReadModel(url, Keys(prefix))
    async with FoundRedis(url) as redis:
        yield Written(model, redis)
    await model.close()


@pytest.fixture
async def written(cluster: RedisCluster, unique: str) -> AsyncIterator[Written]:
    async with written_at(cluster.url, unique) as made:
        yield made


async def test_partitions_are_written_wherever_they_are_and_answered_in_order(
    written: Written,
) -> None:
    slices = [written.move(number, offset) for offset in (1, 2) for number in range(PARTITIONS)]

    assert await written.write(*slices) == [each.checkpoint for each in slices]

    assert await written.counts() == [2] * PARTITIONS
    assert await written.model.meta(PARTITIONS) == await written.model.meta(PARTITIONS)
    for number in range(PARTITIONS):
        stored, documents = await written.model.load(written.keys(number), [b"vs_1/file_1"])
        assert (stored, documents[b"vs_1/file_1"].revision) == (at(2), 2)
        assert await written.model.publish(written.keys(number), 0, 2) == 2
        assert await written.model.published(written.keys(number)) == 2


async def test_a_generation_is_removed_from_wherever_its_keys_are(written: Written) -> None:
    await written.write(*(written.move(number, 1) for number in range(PARTITIONS)))
    generations = Generations(written.model)
    checkpoints = await generations.checkpoints(1, PARTITIONS)
    await generations.begin(2, dict.fromkeys(range(PARTITIONS), 0))

    assert {each.next_offset for each in checkpoints.values()} == {1}
    live = Meta(2, PARTITIONS, 1)
    await written.model.call("SET", written.model.keys.meta, live.encode())
    with pytest.raises(OverruledError):
        await generations.remove({3}, newest=3)
    # Of each partition the checkpoint, the file, and the organization's usage.
    assert await generations.remove({2}, newest=2) == 3 * PARTITIONS

    assert await written.counts() == [0] * PARTITIONS
    assert {p.generation async for page in generations.places() for p in page} == {2}


async def test_the_metadata_are_changed_where_they_are(written: Written) -> None:
    generations = Generations(written.model)
    made = await written.model.meta(PARTITIONS)
    stored, known = await generations.meta()
    await generations.change(stored, Meta(2, PARTITIONS, made.model_version))

    assert known == made
    assert (await written.model.meta(PARTITIONS)).generation == 2
    with pytest.raises(OverruledError):
        await generations.change(stored, made)


async def test_any_primary_may_forget_the_script(cluster: RedisCluster, written: Written) -> None:
    await written.write(*(written.move(number, 1) for number in range(PARTITIONS)))
    await call(await cluster.primary_of("{g1.p0}"), "SCRIPT", "FLUSH")

    assert await written.is_written(*(written.move(n, 2) for n in range(PARTITIONS)))


async def test_one_primary_that_may_evict_files_is_enough_not_to_write(
    cluster: RedisCluster, written: Written
) -> None:
    primary = await cluster.primary_of("{g1.p0}")
    await call(primary, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(ReadModelUnfitError, match="allkeys-lru"):
        await written.model.meta(PARTITIONS)
    await call(primary, "CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_without_a_primary_the_rest_is_written_and_its_replica_takes_the_rest(
    cluster: RedisCluster, written: Written
) -> None:
    slices = [written.move(number, 1) for number in range(PARTITIONS)]
    primary = await cluster.primary_of("{g1.p0}")
    primary.kill()

    with pytest.raises(ReadModelUnavailableError):
        await written.write(*slices)
    await until(lambda: written.is_written(*slices))

    assert await written.counts() == [1] * PARTITIONS


async def test_partitions_that_have_moved_are_found_at_the_second_try(
    cluster: RedisCluster, written: Written
) -> None:
    await written.write(*(written.move(number, 1) for number in range(PARTITIONS)))
    primary = await cluster.primary_of("{g1.p0}")
    await call(await cluster.replica_of(primary), "CLUSTER", "FAILOVER")
    await until(lambda: cluster.is_replaced(primary))
    slices = [written.move(number, 2) for number in range(PARTITIONS)]

    with pytest.raises(ReadModelUnavailableError, match="Moved"):
        await written.write(*slices)
    assert await written.is_written(*slices)

    assert await written.counts() == [2] * PARTITIONS


async def test_while_a_slot_moves_a_slice_is_refused_as_a_whole(
    cluster: RedisCluster, written: Written
) -> None:
    await written.write(written.move(0, 1))
    slot = slot_of("{g1.p0}")
    source, target = [await cluster.primary_of(tag) for tag in ("{g1.p0}", elsewhere(slot))]
    source_id, target_id = [await call(node, "CLUSTER", "MYID") for node in (source, target)]
    await call(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    await call(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    # A key that does not exist yet may have moved already, for all that the source knows.
    opened: Command = ["SADD", written.keys(0).open_files, "vs_1/file_1"]
    slice_ = written.move(0, 2, opened)

    with pytest.raises(ReadModelUnavailableError):
        await written.write(slice_)
    for node in (source, target):
        await call(node, "CLUSTER", "SETSLOT", slot, "STABLE")
    assert await written.is_written(slice_)

    assert (await written.counts())[0] == 2


def elsewhere(slot: int) -> str:
    """A tag half a cluster away."""
    return min((f"{{{n}}}" for n in range(200)), key=lambda tag: -abs(slot_of(tag) - slot))


@pytest.fixture
async def watched(sentinel: RedisSentinel, unique: str) -> AsyncIterator[Written]:
    async with written_at(sentinel.url, unique) as made:
        yield made


async def test_the_successor_of_a_master_is_found_by_the_sentinels(
    sentinel: RedisSentinel, watched: Written
) -> None:
    await watched.write(*(watched.move(number, 1) for number in range(PARTITIONS)))
    master = await sentinel.master()
    await call(master, "WAIT", 1, 10_000)
    master.kill()
    slices = [watched.move(number, 2) for number in range(PARTITIONS)]

    with pytest.raises(ReadModelUnavailableError):
        await watched.write(*slices)
    await until(lambda: watched.is_written(*slices))

    assert await watched.counts() == [2] * PARTITIONS
