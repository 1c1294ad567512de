import httpx
import pytest

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.meta import Building, Meta
from tests.integration.query.files import PATH, completed, processing
from tests.integration.query.running import READER
from tests.integration.query.stored_model import PARTITIONS, StoredModel, now_ms


async def status_code(client: httpx.AsyncClient) -> int:
    response = await client.get(PATH, headers=READER)
    if response.status_code == 503:
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"]["code"] == "READ_MODEL_NOT_READY"
    return response.status_code


async def reach(model: StoredModel, next_offset: int, *, recover_to: int = 0) -> None:
    partition = model.partition_of(processing())
    await model.checkpoint(partition, Checkpoint(next_offset, now_ms(), next_offset, recover_to))


async def close(model: StoredModel, next_offset: int) -> None:
    """Close the checkpoint for a switch, as a rebuild does."""
    closed = Checkpoint(next_offset, now_ms(), next_offset, closed_by="a-switch")
    await model.checkpoint(model.partition_of(processing()), closed)


async def test_a_partition_that_goes_back_is_not_answered_until_it_is_reached_again(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(completed())
    await reach(model, 100)
    assert await status_code(client) == 200

    await model.put(processing())
    await reach(model, 60)
    assert await status_code(client) == 503
    await reach(model, 99)
    assert await status_code(client) == 503

    await model.put(completed())
    await reach(model, 100)
    assert await status_code(client) == 200


async def test_other_partitions_go_on_meanwhile(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    other = (model.partition_of(processing()) + 1) % PARTITIONS
    await model.checkpoint(other, Checkpoint(50, now_ms()))
    assert (await client.get("/readyz")).status_code == 200

    await model.checkpoint(other, Checkpoint(10, now_ms()))

    assert await status_code(client) == 200
    assert (await client.get("/readyz")).status_code == 503


async def test_a_recovering_partition_is_not_answered(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())

    await reach(model, 60, recover_to=100)
    assert await status_code(client) == 503

    await reach(model, 100, recover_to=100)
    assert await status_code(client) == 200


@pytest.mark.parametrize("value", [None, b"", b"1 2 3", b"x 0 0 0 -"])
async def test_a_partition_without_a_usable_checkpoint_is_not_answered(
    client: httpx.AsyncClient, model: StoredModel, value: bytes | None
) -> None:
    await model.put(processing())
    key = model.checkpoint_key(model.partition_of(processing()))
    if value is None:
        await model.redis.delete(key)
    else:
        await model.redis.set(key, value)

    assert await status_code(client) == 503


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"generation":"1"}'])
async def test_without_usable_metadata_nothing_is_answered(
    client: httpx.AsyncClient, model: StoredModel, value: bytes | None
) -> None:
    await model.put(processing())
    if value is None:
        await model.redis.delete(model.keys.meta)
    else:
        await model.redis.set(model.keys.meta, value)

    assert await status_code(client) == 503


async def test_a_wiped_model_is_not_answered_from_until_it_is_rebuilt(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(completed())
    await reach(model, 100)
    assert await status_code(client) == 200

    await model.wipe()
    assert await status_code(client) == 503

    await model.begin()
    await model.put(processing())
    await reach(model, 60)
    assert await status_code(client) == 503

    await model.put(completed())
    await reach(model, 100)
    assert await status_code(client) == 200


async def test_a_switched_generation_is_read_by_the_next_request(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    await reach(model, 100)
    before = await client.get(PATH, headers=READER)

    rebuilt = StoredModel(model.redis, model.prefix, generation=2)
    await rebuilt.put(completed())
    await rebuilt.begin()
    await reach(rebuilt, 100)
    after = await client.get(PATH, headers=READER)

    assert (before.headers["etag"], after.headers["etag"]) == ('"1.7"', '"2.12"')


async def test_a_file_that_only_the_new_generation_has_is_found(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    assert (await client.get("/readyz")).status_code == 200
    rebuilt = StoredModel(model.redis, model.prefix, generation=2)
    await rebuilt.begin()
    await rebuilt.put(completed())

    assert await status_code(client) == 200


async def test_metadata_of_an_older_generation_are_not_believed(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    rebuilt = StoredModel(model.redis, model.prefix, generation=2)
    await rebuilt.put(completed())
    await rebuilt.begin()
    assert await status_code(client) == 200

    await model.put(processing())
    await model.begin()
    assert await status_code(client) == 503

    await rebuilt.begin()
    assert await status_code(client) == 200


async def test_a_rebuilt_generation_that_is_behind_is_not_believed(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    await reach(model, 100)
    assert await status_code(client) == 200

    rebuilt = StoredModel(model.redis, model.prefix, generation=2)
    await rebuilt.put(processing())
    await rebuilt.begin()
    await reach(rebuilt, 60)
    assert await status_code(client) == 503

    await reach(rebuilt, 100)
    assert await status_code(client) == 200


async def test_a_rebuild_that_begins_changes_nothing_for_readers(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    await reach(model, 100)
    before = await client.get(PATH, headers=READER)

    building = Building(2, PARTITIONS, 1, "owner")
    meta = Meta(1, PARTITIONS, 1, highest=2, building=building, switch="a-switch")
    await model.redis.set(model.keys.meta, meta.encode())
    await close(model, 100)
    after = await client.get(PATH, headers=READER)

    assert (after.status_code, after.headers["etag"]) == (200, before.headers["etag"])
    assert after.content == before.content


async def test_another_partition_count_is_taken_from_the_metadata(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    assert await status_code(client) == 200
    await model.redis.set(model.keys.meta, Meta(1, 1, 1).encode())

    response = await client.get("/readyz")

    assert response.json() == {"status": "ready", "generation": 1, "partitions": 1}
