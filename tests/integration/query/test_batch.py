import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.edge.edge import MAX_BODY_BYTES
from milepost_query.terms import Terms
from milepost_query.waits.batch import MAX_FILES
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document, render_status
from milepost_schemas.position import Position
from tests.integration.query.files import (
    FILE,
    PATH,
    STORE,
    completed,
    deleted,
    failed,
    processing,
    retried,
)
from tests.integration.query.running import READER, running_query
from tests.integration.query.stored_model import PARTITIONS, StoredModel, now_ms
from tests.integration.query.waiting_clients import (
    ANSWERED_WITHIN_S,
    NEVER_S,
    one_who_waits,
    until_followed,
)

STATUSES = PATH.replace(f"/{FILE}", "")


@pytest.fixture
async def unpolled(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that hears hints and nothing else."""
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), poll_every_s=NEVER_S
    ) as client:
        yield client


def named(document: Document, file_id: str) -> Document:
    document.file_id = file_id
    return document


async def ask(
    client: httpx.AsyncClient, file_ids: list[str], wait_s: int | None = None, **body: Any
) -> httpx.Response:
    headers = READER if wait_s is None else {**READER, "Prefer": f"wait={wait_s}"}
    return await client.post(
        STATUSES, json={"file_ids": file_ids, **body}, headers=headers, timeout=ANSWERED_WITHIN_S
    )


async def move_as_of_on(model: StoredModel) -> None:
    for partition in range(PARTITIONS):
        await model.checkpoint(partition, Checkpoint(1, now_ms()))


async def change(model: StoredModel, document: Document) -> None:
    await model.put(document)
    await model.hint(document)


async def settled(model: StoredModel, asking: asyncio.Task[httpx.Response]) -> httpx.Response:
    """The answer, once the absence of files can be certain."""
    async with asyncio.timeout(10):
        while not asking.done():
            await move_as_of_on(model)
    return await asking


async def test_each_file_has_its_status_in_the_order_of_the_request(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(named(processing(), "file_b"))
    await model.put(named(completed(), "file_a"))

    response = await ask(client, ["file_b", "file_a", "file_b"])

    assert response.status_code == 200
    assert response.content == b'{"files":{"file_b":%b,"file_a":%b}}' % (
        render_status(processing()),
        render_status(completed()),
    )
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Prefer"
    assert "preference-applied" not in response.headers
    assert response.headers["milepost-lag"] == "0"
    assert "milepost-as-of" in response.headers


async def test_what_is_not_there_is_not_found(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(named(processing(), "file_known"))
    await model.put(named(deleted(), "file_deleted"))
    await model.put(Document("org_stranger", STORE, "file_strange", revision=3))
    odd = ["file_absent", "file_deleted", "file_strange", 'a"b\\', "ü", "", "status", "f" * 129]

    response = await settled(model, asyncio.create_task(ask(client, ["file_known", *odd])))

    files = response.json()["files"]
    assert files.pop("file_known") == json.loads(render_status(processing()))
    assert files == dict.fromkeys(odd, "not_found")


async def test_an_absence_that_is_not_certain_is_503(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())

    began = time.monotonic()
    response = await ask(client, [FILE, "file_absent"])

    assert time.monotonic() - began > 1.9
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["error"]["code"] == "READ_MODEL_NOT_READY"


async def test_a_partition_that_is_not_answered_from_is_503(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    partition = model.partition_of(processing())
    await model.checkpoint(partition, Checkpoint(5, now_ms(), 5, recover_to=9))

    assert (await ask(client, [FILE])).status_code == 503


@pytest.fixture
async def unlimited(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that takes no leases from Redis."""
    terms = Terms(rates_per_s={"status": 0, "requests": 0})
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=terms
    ) as client:
        yield client


async def test_a_full_batch_is_one_round_trip(
    unlimited: httpx.AsyncClient, model: StoredModel
) -> None:
    file_ids = [f"file_{number}" for number in range(MAX_FILES)]
    for file_id in file_ids:
        await model.put(named(processing(), file_id))
    assert (await unlimited.get("/readyz")).is_success
    before = await commands(model)

    response = await ask(unlimited, file_ids)

    assert len(response.json()["files"]) == MAX_FILES
    # The other one is the second look at the statistics itself.
    assert await commands(model) - before == 2


async def commands(model: StoredModel) -> int:
    return int((await model.redis.info("stats"))["total_commands_processed"])


NO_BATCHES = [
    b"",
    b"{}",
    b"[]",
    b'{"file_ids":[]}',
    b'{"file_ids":"file_1"}',
    b'{"file_ids":[1]}',
    b'{"file_ids":["\xff"]}',
    b'{"file_ids":["file_1"],"until":"some"}',
    json.dumps({"file_ids": [f"file_{n}" for n in range(MAX_FILES + 1)]}).encode(),
]


async def test_a_body_that_is_no_batch_is_a_validation_error(client: httpx.AsyncClient) -> None:
    for body in NO_BATCHES:
        response = await client.post(STATUSES, content=body, headers=READER)

        assert response.status_code == 422
        (error,) = response.json()["error"]["details"]["errors"]
        assert error["loc"] == ["body"]


async def test_a_body_that_is_too_large_is_refused_however_it_is_sent(
    client: httpx.AsyncClient,
) -> None:
    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    for content in (b" " * (MAX_BODY_BYTES + 1), in_parts()):
        response = await client.post(STATUSES, content=content, headers=READER)

        assert response.status_code == 413
        assert response.json()["error"]["code"] == "CONTENT_TOO_LARGE"


async def test_the_statuses_of_another_organization_are_refused(client: httpx.AsyncClient) -> None:
    for key in ("ak_stranger", "ak_writer"):
        response = await client.post(STATUSES, headers={"X-API-Key": key}, content=b"no batch")

        assert response.status_code == 403


async def test_statuses_can_only_be_posted_for(client: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        response = await client.request(method, STATUSES, headers=READER)

        assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_store_that_cannot_exist_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.post(STATUSES.replace(STORE, "-"), headers=READER, content=b"no batch")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "VECTOR_STORE_NOT_FOUND"


async def test_a_batch_is_read_behind_a_position(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    passed, none = Position(0, 0, version=0).encode(), "none"
    codes = [
        (
            await client.post(
                STATUSES,
                json={"file_ids": [FILE]},
                headers={**READER, "Milepost-Position": position},
            )
        ).status_code
        for position in (passed, none)
    ]

    assert codes == [200, 422]


@pytest.mark.parametrize(("until_", "ends"), [("any", 1), ("all", 3), (None, 3)])
async def test_a_batch_waits_for_the_end_of_any_or_of_all(
    unpolled: httpx.AsyncClient, model: StoredModel, until_: str | None, ends: int
) -> None:
    file_ids = ["file_1", "file_2", "file_3"]
    for file_id in file_ids:
        await model.put(named(processing(), file_id))
    body = {"until": until_} if until_ else {}
    asking = asyncio.create_task(ask(unpolled, file_ids, 30, **body))
    await until_followed(unpolled, len(file_ids))
    await change(model, named(processing(revision=8), "file_1"))

    for file_id, end in zip(file_ids[:ends], (failed(), completed(), failed()), strict=False):
        assert not asking.done()
        await change(model, named(end, file_id))
    response = await asking

    statuses = [status["status"] for status in response.json()["files"].values()]
    assert statuses == (["failed", "completed", "failed"][:ends] + ["processing"] * (3 - ends))
    assert response.headers["preference-applied"] == "wait=30"


async def test_a_file_that_is_not_there_has_ended(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(named(completed(), "file_1"))
    await model.put(named(deleted(), "file_2"))
    await model.put(named(processing(), "file_3"))

    all_of = await ask(client, ["file_1", "file_2", "-odd"], 30)
    any_of = await ask(client, ["file_2", "file_3"], 30, until="any")

    assert [*all_of.json()["files"].values()][1:] == ["not_found", "not_found"]
    assert any_of.json()["files"]["file_3"]["status"] == "processing"


async def test_at_the_deadline_a_batch_is_answered_as_it_is(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    for file_id in ("file_1", "file_2"):
        await model.put(named(processing(), file_id))
    asking = asyncio.create_task(ask(unpolled, ["file_1", "file_2"], 2, until="all"))
    await until_followed(unpolled, 2)
    await change(model, named(completed(), "file_2"))

    response = await asking

    assert response.elapsed.total_seconds() >= 2
    statuses = [status["status"] for status in response.json()["files"].values()]
    assert statuses == ["processing", "completed"]
    assert response.headers["preference-applied"] == "wait=2"


async def test_a_file_that_is_deleted_meanwhile_has_ended(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    asking = asyncio.create_task(ask(unpolled, [FILE], 30))
    await until_followed(unpolled)
    await change(model, deleted())

    assert (await asking).json() == {"files": {FILE: "not_found"}}


async def test_what_others_were_told_before_ends_no_batch(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(completed())
    async with one_who_waits(unpolled, completed(), '"1.12"'):
        await model.put(retried())

        response = await ask(unpolled, [FILE], 1)

    assert response.elapsed.total_seconds() >= 1
    assert response.json()["files"][FILE]["status"] == "pending"
