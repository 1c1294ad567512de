import asyncio
import time

import httpx
import pytest

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from tests.integration.query.files import FILE, PATH, STORE, deleted, processing
from tests.integration.query.running import ORGANIZATION, READER
from tests.integration.query.stored_model import StoredModel, misses, now_ms

NOT_IN_STORE = {
    "code": "FILE_NOT_IN_STORE",
    "message": "We couldn't find the requested resource.",
    "system_message": "File not found in this store",
    "type": "client_error",
    "status": 404,
    "details": {"file_id": FILE, "store_id": STORE},
}


def without_origin(response: httpx.Response) -> dict[str, object]:
    error: dict[str, object] = response.json()["error"]
    return {key: error[key] for key in error if key not in ("trace_id", "timestamp")}


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get(PATH, headers=READER)


async def move_as_of_on(model: StoredModel) -> None:
    await model.checkpoint(model.partition_of(processing()), Checkpoint(1, now_ms()))


async def test_absence_is_not_claimed_while_as_of_stands_still(
    client: httpx.AsyncClient,
) -> None:
    began = time.monotonic()

    response = await ask(client)

    assert 1.9 < time.monotonic() - began < 4
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "READ_MODEL_NOT_READY"


async def test_an_as_of_that_is_still_to_come_makes_no_absence_certain(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    an_hour_ahead = Checkpoint(1, now_ms() + 3_600_000)
    await model.checkpoint(model.partition_of(processing()), an_hour_ahead)
    assert (await ask(client)).status_code == 503

    await model.put(processing())
    assert (await ask(client)).status_code == 200


async def test_absence_is_certain_once_as_of_has_passed_the_request(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    asking = asyncio.create_task(ask(client))
    async with asyncio.timeout(5):
        while not asking.done():
            await move_as_of_on(model)

    response = await asking

    assert response.status_code == 404
    assert without_origin(response) == NOT_IN_STORE
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Prefer"


async def test_a_file_that_appears_meanwhile_is_answered(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    before = await misses(model)
    asking = asyncio.create_task(ask(client))
    async with asyncio.timeout(5):
        while await misses(model) == before:
            pass
    await model.put(processing())
    await move_as_of_on(model)

    response = await asking

    assert response.status_code == 200


async def test_a_file_of_another_organization_is_not_told_from_an_absent_one(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(Document("org_stranger", STORE, FILE, revision=3))

    began = time.monotonic()
    while_unknown = await ask(client)
    waited_s = time.monotonic() - began
    asking = asyncio.create_task(ask(client))
    async with asyncio.timeout(5):
        while not asking.done():
            await move_as_of_on(model)
    once_known = await asking

    assert waited_s > 1.9
    assert while_unknown.status_code == 503
    assert once_known.status_code == 404
    assert without_origin(once_known) == NOT_IN_STORE


async def test_a_deleted_file_is_plainly_not_there(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(deleted())

    response = await ask(client)

    assert response.status_code == 404
    assert without_origin(response) == NOT_IN_STORE


@pytest.mark.parametrize(
    ("store_id", "file_id"),
    [
        ("vs_abc123", "a b"),
        ("vs_abc123", "-file"),
        ("vs_abc123", "f" * 129),
        ("vs_abc123", "config"),
        ("vs_abc123", "ü"),
        ("", "file_1"),
        ("v$", "file_1"),
    ],
)
async def test_a_malformed_id_is_not_found_without_asking_redis(
    client: httpx.AsyncClient, store_id: str, file_id: str
) -> None:
    path = f"/v1/organizations/{ORGANIZATION}/stores/{store_id}/files/{file_id}/status"

    began = time.monotonic()
    response = await client.get(path, headers=READER)

    assert time.monotonic() - began < 1
    assert without_origin(response) == {
        **NOT_IN_STORE,
        "details": {"file_id": file_id, "store_id": store_id},
    }


async def test_a_missing_file_does_not_hold_up_the_others(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    absent = PATH.replace(FILE, "file_absent")
    waiting = [asyncio.create_task(client.get(absent, headers=READER)) for _ in range(20)]
    await asyncio.sleep(0)

    began = time.monotonic()
    found = await asyncio.gather(*(ask(client) for _ in range(50)))
    took_s = time.monotonic() - began

    assert {response.status_code for response in found} == {200}
    assert took_s < 1.5
    assert {(await task).status_code for task in waiting} == {503}
