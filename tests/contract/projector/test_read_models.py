"""What the projector relies on in a read model, of the one in Redis and the one in memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from milepost_local.servers import Server
from milepost_projector.partition import Partition, PartitionFold
from milepost_projector.read_model import (
    NO_CHECKPOINT,
    ReadModelUnavailableError,
    RedisReadModel,
    swapped,
)
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.events import FileDeleted, FileRegistered, ProcessingCompleted
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from tests.fixtures.expected_model import stored_model
from tests.fixtures.protocol.memory_read_model import MemoryReadModel
from tests.fixtures.protocol.memory_redis import MemoryRedis
from tests.fixtures.protocol.network import OpenPort
from tests.unit.projector.log import BEGINNING, fact, file_name, log, logged, progressed

ReadModel = RedisReadModel | MemoryReadModel
PARTITIONS = 1


@pytest.fixture
async def redis(redis_server: Server, unique: str) -> AsyncIterator[RedisReadModel]:
    model = RedisReadModel(redis_server.address, Keys(unique))
    yield model
    await model.close()


@pytest.fixture
def memory(unique: str) -> MemoryReadModel:
    return MemoryReadModel(MemoryRedis(), Keys(unique), OpenPort())


@pytest.fixture(params=["redis", "memory"])
def model(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def keys_of(model: ReadModel) -> Any:
    return model.keys.partition(1, 0)


def slices_of_a_full_life(model: ReadModel) -> list[Slice]:
    """Every command that a slice can have, and indexes and counters that come and go."""
    fold = PartitionFold(Partition(0, 1, keys_of(model)), PARTITIONS, BEGINNING)
    file = {"name": "a.md", "size_bytes": 7, "mime_type": "text/markdown"}
    batches = [
        log(*(fact(FileRegistered, number, **file) for number in range(4))),
        log(*(progressed(number, 10) for number in range(4)), first=4),
        log(*(logged(1, f"line {number}") for number in range(205)), first=8),
        log(*(logged(2) for _ in range(3)), fact(ProcessingCompleted, 1), first=213),
        log(*(fact(FileDeleted, number) for number in (0, 2, 3)), first=217),
    ]
    slices: list[Slice] = []
    for number, records in enumerate(batches):
        fold.fold(records)
        slices += fold.cut(records[-1].offset + 1, number).slices
    first = slices[0]
    opened = Slice(0, NO_CHECKPOINT, first.expected, 0)
    return [opened, *slices]


async def written(model: ReadModel, slices: list[Slice]) -> list[bytes]:
    return await model.write(slices, [keys_of(model)] * len(slices))


async def test_both_hold_the_same_after_every_slice(
    redis: RedisReadModel, memory: MemoryReadModel, redis_server: Server, unique: str
) -> None:
    async with Redis.from_url(redis_server.address) as client:
        for slice_ in slices_of_a_full_life(redis):
            assert await written(redis, [slice_]) == await written(memory, [slice_])
            assert memory._redis.model(keys_of(memory)) == await stored_model(client, unique)


async def test_a_slice_on_another_checkpoint_changes_nothing(model: ReadModel) -> None:
    first, second, third, *_ = slices_of_a_full_life(model)
    assert await written(model, [first, third]) == [first.checkpoint] * 2
    assert await model.load(keys_of(model), [file_name(1)]) == (first.checkpoint, {})
    assert await written(model, [second]) == [second.checkpoint]
    stored, documents = await model.load(keys_of(model), [file_name(1), file_name(9)])
    assert (stored, [*documents]) == (second.checkpoint, [file_name(1)])


async def test_a_chain_that_is_repeated_is_not_applied_twice(model: ReadModel) -> None:
    chain = slices_of_a_full_life(model)
    await written(model, chain[:3])
    assert (await written(model, chain))[-1] == chain[-1].checkpoint
    assert await model.checkpoint(keys_of(model)) == chain[-1].checkpoint


async def test_an_empty_read_model_says_so(model: ReadModel) -> None:
    assert await model.checkpoint(keys_of(model)) == NO_CHECKPOINT
    assert await model.load(keys_of(model), []) == (NO_CHECKPOINT, {})
    assert await model.published(keys_of(model)) == 0


async def test_the_metadata_are_made_where_there_are_none(model: ReadModel) -> None:
    made = Meta(1, PARTITIONS, MODEL_VERSION)
    assert [await model.meta(PARTITIONS) for _ in range(2)] == [made, made]
    assert await model.stored_meta() == made.encode()


async def test_without_metadata_there_are_none_to_be_read(model: ReadModel) -> None:
    with pytest.raises(ReadModelUnavailableError):
        await model.stored_meta()


@pytest.mark.parametrize("stored", [None, 1, 3])
async def test_an_older_generation_than_readers_have_seen_is_left(
    model: ReadModel, stored: int | None
) -> None:
    if stored is not None:
        await model.meta(PARTITIONS, at_least=stored)
    expected = Meta(2, PARTITIONS, MODEL_VERSION, highest=2 if stored == 1 else 0)
    if stored == 3:
        expected = Meta(3, PARTITIONS, MODEL_VERSION)
    assert await model.meta(PARTITIONS, at_least=2) == expected
    assert await model.stored_meta() == expected.encode()


async def test_metadata_are_replaced_only_where_they_are_the_expected_ones(
    model: ReadModel,
) -> None:
    made = await model.meta(PARTITIONS)
    ours, theirs = (Meta(1, PARTITIONS, MODEL_VERSION, switch=name) for name in ("ours", "theirs"))
    for each in (ours, theirs):
        assert await model.swap(model.keys.meta, made.encode(), each.encode()) == ours.encode()
    assert await model.stored_meta() == ours.encode()


@pytest.mark.parametrize(
    ("expected", "reached", "stored"),
    [(0, 3, 3), (0, 5, 5), (0, 6, 0), (1, 3, 0)],
    ids=["below", "up to the checkpoint", "above the checkpoint", "from elsewhere"],
)
async def test_the_published_position_moves_from_the_expected_one_up_to_the_checkpoint(
    model: ReadModel, expected: int, reached: int, stored: int
) -> None:
    await written(model, [Slice(0, NO_CHECKPOINT, Checkpoint(5).encode(), 5)])
    assert await model.publish(keys_of(model), expected, reached) == stored
    assert await model.published(keys_of(model)) == stored


async def test_keys_are_found_by_their_names_and_removed_while_a_generation_to_keep_is_live(
    model: ReadModel,
) -> None:
    await model.meta(PARTITIONS)
    await written(model, slices_of_a_full_life(model))
    keys = keys_of(model)
    names = [file_name(1), b"unknown"]
    known = [keys.file("").encode() + file_name(number) for number in (0, 1)]
    assert await model.call("EXISTS", *known, b"unknown") == 2
    pages = [page async for page in model.scan(f"{keys.tag}f:*")]
    assert {*known} <= {each for page in pages for each in page}
    value, nothing = await model.values(keys, names)
    assert (value == await model.call("GET", known[1]), nothing) == (True, None)
    assert await model.unlink([*known, b"unknown"], [2, 3]) == -1
    assert await model.call("EXISTS", *known) == 2
    assert await model.unlink([*known, b"unknown"], [3, 1]) == 2
    assert await model.call("EXISTS", *known) == 0


async def test_a_key_of_the_log_may_be_no_text(model: ReadModel) -> None:
    assert await model.values(keys_of(model), [b"\xff\xfe"]) == [None]


async def test_metadata_that_vanished_before_a_swap_are_asked_for_again_later(
    model: ReadModel,
) -> None:
    answer = await model.swap(model.keys.meta, b"former", b"newer")
    with pytest.raises(ReadModelUnavailableError):
        swapped(answer)


async def test_without_metadata_nothing_is_removed(model: ReadModel) -> None:
    assert await model.unlink([b"unknown"], [1]) == -1
