import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from milepost_local.providers import own_redis
from milepost_local.servers import OwnServer, Server
from milepost_local.settings import LocalSettings
from milepost_projector.read_model import (
    NO_CHECKPOINT,
    ReadModelUnavailableError,
    ReadModelUnfitError,
    RedisReadModel,
)
from milepost_projector.slices import Command, Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.events import MAX_UNITS
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.logs import MAX_LINES, LogLine, append_line, encode_line
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.started import started


class Partition:
    """One partition of a read model of the test's own, written to slice by slice."""

    def __init__(self, model: RedisReadModel, redis: Any) -> None:
        self.model = model
        self.redis = redis
        self.keys: PartitionKeys = model.keys.partition(1, 0)

    async def write(self, *slices: Slice) -> list[bytes]:
        return await self.model.write(slices, [self.keys] * len(slices))

    async def everything(self) -> dict[bytes, bytes]:
        """Each key of the read model with all it holds, in Redis's own form."""
        names = [name async for name in self.redis.scan_iter(match=f"{self.model.keys.prefix}:*")]
        return {name: await self.redis.dump(name) for name in names}

    async def usage(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = await self.redis.hgetall(self.keys.usage("org_1"))
        return found

    def record(self, number: int, revision: int = 1) -> list[bytes]:
        document = Document("org_1", "vs_1", f"file_{number}", revision=revision)
        return [self.name(number), encode_record(document)]

    def name(self, number: int) -> bytes:
        return self.keys.file(f"vs_1/file_{number}").encode()

    def counted(self, delta: int, what: str = "files") -> Command:
        return ["COUNT", self.keys.usage("org_1"), f"vs_1/{what}", str(delta)]


@asynccontextmanager
async def a_partition(url: str, prefix: str) -> AsyncIterator[Partition]:
    model = RedisReadModel(url, Keys(prefix))
    async with Redis.from_url(url) as redis:
        yield Partition(model, redis)
    await model.close()


@pytest.fixture
async def partition(redis_server: Server, unique: str) -> AsyncIterator[Partition]:
    async with a_partition(redis_server.address, unique) as made:
        yield made


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """A Redis whose settings these tests may change."""
    yield from started(own_redis(tmp_path_factory.mktemp("breakable-redis"), LocalSettings()))


@pytest.fixture
async def fragile(breakable: OwnServer, unique: str) -> AsyncIterator[Partition]:
    """A partition in the Redis whose settings may be changed; they are reset afterwards."""
    async with a_partition(breakable.address, unique) as made:
        yield made
        await made.redis.config_set("maxmemory", 0)
        await made.redis.config_resetstat()
        await made.redis.config_set("maxmemory-policy", "noeviction")
        await made.redis.config_set("save", "")
        await made.redis.config_set("min-replicas-to-write", 0)
        await made.redis.config_set("replica-serve-stale-data", "yes")
        await made.redis.replicaof("NO", "ONE")


def at(offset: int) -> bytes:
    return Checkpoint(offset, fingerprint=f"{offset - 1}:ab").encode()


def move(
    before: bytes, offset: int, *, records: Sequence[bytes] = (), commands: Sequence[Command] = ()
) -> Slice:
    return Slice(0, before, at(offset), offset, records, commands)


async def test_a_slice_writes_its_documents_and_moves_the_checkpoint(partition: Partition) -> None:
    answers = await partition.write(move(NO_CHECKPOINT, 5, records=partition.record(1)))
    assert answers == [at(5)]
    stored, documents = await partition.model.load(partition.keys, [b"vs_1/file_1", b"vs_1/file_2"])
    assert stored == at(5)
    assert documents == {b"vs_1/file_1": Document("org_1", "vs_1", "file_1", revision=1)}


async def test_an_empty_read_model_has_no_checkpoint_and_no_documents(
    partition: Partition,
) -> None:
    assert await partition.model.checkpoint(partition.keys) == NO_CHECKPOINT
    assert await partition.model.load(partition.keys, [b"vs_1/file_1"]) == (NO_CHECKPOINT, {})


@pytest.mark.parametrize("expected", [NO_CHECKPOINT, at(4), at(6)])
async def test_nothing_is_written_on_another_checkpoint_than_expected(
    partition: Partition, expected: bytes
) -> None:
    await partition.write(move(NO_CHECKPOINT, 5, records=partition.record(1)))
    before = await partition.everything()
    answers = await partition.write(
        move(
            expected,
            7,
            records=[*partition.record(1, revision=9), *partition.record(2)],
            commands=[partition.counted(1), ["ZADD", partition.keys.open_files, 1, "vs_1/file_2"]],
        )
    )
    assert answers == [at(5)]
    assert await partition.everything() == before


async def test_nothing_is_written_where_redis_has_lost_the_checkpoint(
    partition: Partition,
) -> None:
    answers = await partition.write(move(at(5), 6, records=partition.record(1)))
    assert answers == [NO_CHECKPOINT]
    assert await partition.everything() == {}


async def test_a_write_that_is_repeated_is_recognised_and_changes_nothing(
    partition: Partition,
) -> None:
    slice_ = move(NO_CHECKPOINT, 5, records=partition.record(1), commands=[partition.counted(1)])
    await partition.write(slice_)
    before = await partition.everything()
    assert await partition.write(slice_) == [slice_.checkpoint]
    assert await partition.everything() == before


@pytest.mark.parametrize("applied", [0, 1, 2, 3])
async def test_a_chain_that_was_applied_in_part_is_completed_once(
    partition: Partition, applied: int
) -> None:
    before = [NO_CHECKPOINT, at(1), at(2)]
    chain = [
        move(
            expected,
            number + 1,
            records=partition.record(number),
            commands=[partition.counted(1)],
        )
        for number, expected in enumerate(before)
    ]
    await partition.write(*chain[:applied])
    answers = await partition.write(*chain)
    assert answers[-1] == at(3)
    assert await partition.usage() == {b"vs_1/files": b"3"}
    stored, documents = await partition.model.load(
        partition.keys, [b"vs_1/file_0", b"vs_1/file_1", b"vs_1/file_2"]
    )
    assert (stored, len(documents)) == (at(3), 3)


async def test_a_chain_on_a_lost_checkpoint_is_not_written_at_all(partition: Partition) -> None:
    await partition.write(move(NO_CHECKPOINT, 9, records=partition.record(1)))
    before = await partition.everything()
    chain = [move(at(number), number + 1, records=partition.record(number)) for number in (1, 2, 3)]
    assert await partition.write(*chain) == [at(9)] * 3
    assert await partition.everything() == before


async def test_of_two_owners_only_one_writes(partition: Partition) -> None:
    await partition.write(move(NO_CHECKPOINT, 1))
    mine = Slice(0, at(1), at(2), 2, partition.record(1), [partition.counted(1)])
    other = Slice(0, at(1), at(3), 3, partition.record(2), [partition.counted(1)])
    answers = await asyncio.gather(*(partition.write(slice_) for slice_ in (mine, other)))
    assert answers[0] == answers[1]
    assert await partition.usage() == {b"vs_1/files": b"1"}


async def test_more_documents_than_lua_can_unpack_are_written_in_parts(
    partition: Partition,
) -> None:
    records = [part for number in range(4_501) for part in partition.record(number)]
    await partition.write(move(NO_CHECKPOINT, 5, records=records))
    stored = await partition.redis.mget(records[::2])
    assert stored == records[1::2]


async def test_the_script_cache_may_be_lost_at_any_time(partition: Partition) -> None:
    await partition.write(move(NO_CHECKPOINT, 1))
    await partition.redis.script_flush()
    assert await partition.write(move(at(1), 2), move(at(2), 3)) == [at(2), at(3)]


async def test_a_counter_that_falls_to_zero_leaves_nothing_behind(partition: Partition) -> None:
    await partition.write(
        move(NO_CHECKPOINT, 1, commands=[partition.counted(2), partition.counted(2, "pending")])
    )
    await partition.write(move(at(1), 2, commands=[partition.counted(-2, "pending")]))
    assert await partition.usage() == {b"vs_1/files": b"2"}
    await partition.write(move(at(2), 3, commands=[partition.counted(-2)]))
    assert await partition.redis.exists(partition.keys.usage("org_1")) == 0


async def test_counters_are_exact_for_files_of_any_size(partition: Partition) -> None:
    await partition.write(
        move(NO_CHECKPOINT, 1, commands=[partition.counted(3 * MAX_UNITS, "bytes")])
    )
    await partition.write(move(at(1), 2, commands=[partition.counted(1, "bytes")]))
    assert await partition.usage() == {b"vs_1/bytes": str(3 * MAX_UNITS + 1).encode()}


async def test_no_sum_of_sizes_stops_a_partition(partition: Partition) -> None:
    largest = 2**63 - 1
    await partition.write(move(NO_CHECKPOINT, 1, commands=[partition.counted(largest, "bytes")]))
    answers = await partition.write(
        move(at(1), 2, commands=[partition.counted(MAX_UNITS, "bytes")])
    )
    assert answers == [at(2)]


async def test_log_lines_are_kept_as_the_contract_says(partition: Partition) -> None:
    lot = random.Random(11)  # noqa: S311  a reproducible log, not a secret
    logs: dict[str, list[LogLine]] = {partition.keys.log(f"vs_1/file_{n}"): [] for n in range(3)}
    written = NO_CHECKPOINT
    for offset in range(1, 13):
        commands: list[Command] = []
        for _ in range(lot.randrange(120)):
            key = lot.choice(list(logs))
            line = LogLine(f"{lot.randrange(500):016x}", "t", "info", f'"{lot.random()}" é\n')
            append_line(logs[key], line)
            commands.append(["APPEND_LINE", key, line.identity, encode_line(line).decode()])
        (written,) = await partition.write(move(written, offset, commands=commands))
    assert max(map(len, logs.values())) == MAX_LINES
    for key, lines in logs.items():
        stored = await partition.redis.lrange(key, 0, -1)
        assert stored == [encode_line(line) for line in lines]


async def test_the_metadata_are_made_once(partition: Partition) -> None:
    made = await partition.model.meta(PARTITIONS)
    assert made == Meta(1, PARTITIONS, MODEL_VERSION)
    switched = Meta(2, PARTITIONS, MODEL_VERSION)
    await partition.redis.set(partition.model.keys.meta, switched.encode())
    assert await partition.model.meta(PARTITIONS) == switched


@pytest.mark.parametrize(
    "other", [Meta(1, PARTITIONS, MODEL_VERSION + 1), Meta(1, PARTITIONS + 1, MODEL_VERSION)]
)
async def test_a_read_model_of_other_code_is_not_written_to(
    partition: Partition, other: Meta
) -> None:
    await partition.redis.set(partition.model.keys.meta, other.encode())
    with pytest.raises(ReadModelUnfitError, match="milepost rebuild"):
        await partition.model.meta(PARTITIONS)
    assert await partition.redis.get(partition.model.keys.meta) == other.encode()


async def test_a_redis_that_may_evict_files_is_not_written_to(fragile: Partition) -> None:
    await fragile.redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ReadModelUnfitError, match="allkeys-lru"):
        await fragile.model.meta(PARTITIONS)
    assert await fragile.everything() == {}


async def test_a_redis_that_has_evicted_keys_is_not_written_to(fragile: Partition) -> None:
    await fragile.write(move(NO_CHECKPOINT, 1, records=fragile.record(1)))
    await fragile.redis.config_set("maxmemory-policy", "allkeys-lru")
    await fragile.redis.config_set("maxmemory", 1)
    async with asyncio.timeout(30):
        while await fragile.everything():
            pass
    await fragile.redis.config_set("maxmemory", 0)
    await fragile.redis.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(ReadModelUnfitError, match="evicted"):
        await fragile.model.inspect()
    await fragile.redis.config_resetstat()
    await fragile.model.inspect()


@pytest.mark.parametrize("documents", [[1], []], ids=["with documents", "without"])
async def test_a_redis_without_memory_takes_a_slice_whole_or_not_at_all(
    fragile: Partition, documents: list[int]
) -> None:
    opened: Command = ["ZADD", fragile.keys.files("org_1", "vs_1"), 1, "file_1"]
    await fragile.write(move(NO_CHECKPOINT, 1, records=fragile.record(1), commands=[opened]))
    before = await fragile.everything()
    records = [part for number in documents for part in fragile.record(number, revision=2)]
    # A removal is allowed without memory, so that only a refusal of the whole leaves it undone.
    closed: Command = ["ZREM", fragile.keys.files("org_1", "vs_1"), "file_1"]
    slice_ = move(at(1), 2, records=records, commands=[closed, fragile.counted(1)])

    await fragile.redis.config_set("maxmemory", 1)
    with pytest.raises(ReadModelUnavailableError, match="OutOfMemory"):
        await fragile.write(slice_)
    assert await fragile.everything() == before

    await fragile.redis.config_set("maxmemory", 0)
    assert await fragile.write(slice_) == [at(2)]


async def has_lost_its_replicas(redis: Any) -> None:
    await redis.config_set("min-replicas-to-write", 1)


async def is_a_replica(redis: Any) -> None:
    await redis.replicaof("127.0.0.1", 1)


async def is_a_replica_without_its_primary(redis: Any) -> None:
    await redis.config_set("replica-serve-stale-data", "no")
    await redis.replicaof("127.0.0.1", 1)


@pytest.mark.parametrize(
    "outage", [has_lost_its_replicas, is_a_replica, is_a_replica_without_its_primary]
)
async def test_a_redis_that_takes_no_writes_is_waited_for(fragile: Partition, outage: Any) -> None:
    await fragile.model.meta(PARTITIONS)
    await fragile.write(move(NO_CHECKPOINT, 1))
    await outage(fragile.redis)
    with pytest.raises(ReadModelUnavailableError):
        await fragile.write(move(at(1), 2))
    with pytest.raises(ReadModelUnavailableError):
        await fragile.model.meta(PARTITIONS)


async def last_snapshot_failed(redis: Any) -> bool:
    persistence = await redis.info("persistence")
    return bool(persistence["rdb_last_bgsave_status"] == "err")


async def test_a_redis_whose_disk_is_full_is_waited_for(
    breakable: OwnServer, fragile: Partition
) -> None:
    await fragile.write(move(NO_CHECKPOINT, 1))
    # A folder in the place of the snapshot is the disk error that also root runs into.
    folder = breakable.log.parent.parent / "redis" / "dump.rdb"
    folder.mkdir()
    await fragile.redis.config_set("save", "3600 1")
    await fragile.redis.bgsave()
    async with asyncio.timeout(20):
        while not await last_snapshot_failed(fragile.redis):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.02)
    with pytest.raises(ReadModelUnavailableError):
        await fragile.write(move(at(1), 2))
    folder.rmdir()
    await fragile.redis.config_set("save", "")
    assert await fragile.write(move(at(1), 2)) == [at(2)]


async def test_a_redis_that_is_gone_is_waited_for(unique: str, unused_address: str) -> None:
    async with a_partition(unused_address, unique) as partition:
        with pytest.raises(ReadModelUnavailableError):
            await partition.write(move(NO_CHECKPOINT, 1))
        with pytest.raises(ReadModelUnavailableError):
            await partition.model.meta(PARTITIONS)
        with pytest.raises(ReadModelUnavailableError):
            await partition.model.load(partition.keys, [b"vs_1/file_1"])


@pytest.fixture
def unused_address() -> str:
    return "redis://127.0.0.1:1/0"


async def test_who_still_waits_for_a_connection_that_is_closed_may_ask_again(
    partition: Partition,
) -> None:
    model = partition.model
    await model.checkpoint(partition.keys)
    connection = (await model._primaries.of(partition.keys.tag)).connection
    assert connection is not None
    asked = [asyncio.create_task(model.checkpoint(partition.keys)) for _ in range(8)]
    await asyncio.sleep(0)
    await model.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {bytes, ReadModelUnavailableError}
    assert any(isinstance(answer, ReadModelUnavailableError) for answer in answers)
    # redis-py has opened it once more, for those that waited.
    await connection.disconnect()
