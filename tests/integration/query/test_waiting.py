import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document, render_status
from tests.integration.query.files import PATH, completed, deleted, failed, processing, retried
from tests.integration.query.running import READER, running_query
from tests.integration.query.stored_model import StoredModel, now_ms
from tests.integration.query.waiting_clients import (
    NEVER_S,
    listeners,
    one_who_waits,
    until,
    waiting,
)


@pytest.fixture
async def unpolled(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that hears hints and nothing else."""
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), poll_every_s=NEVER_S
    ) as client:
        yield client


@pytest.mark.parametrize("ended", [completed(), failed()])
async def test_a_wait_ends_with_the_attempt(
    unpolled: httpx.AsyncClient, model: StoredModel, ended: Document
) -> None:
    await model.put(processing())
    async with one_who_waits(unpolled, ended) as wait:
        await model.put(processing(revision=8, explicit_percent=60))
        await model.hint(ended)
        await model.put(ended)
        assert await model.hint(ended) == 1

        response = await wait

    assert response.status_code == 200
    assert response.content == render_status(ended)
    assert response.headers["preference-applied"] == "wait=30"
    assert response.headers["vary"] == "Prefer"
    assert "milepost-as-of" in response.headers


async def test_a_wait_with_a_condition_ends_with_the_next_revision(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    next_one = processing(revision=8, explicit_percent=60)
    async with one_who_waits(unpolled, next_one, '"1.6", "1.7"') as wait:
        await model.put(next_one)
        await model.hint(next_one)

        response = await wait

    assert (response.status_code, response.headers["etag"]) == (200, '"1.8"')
    assert response.content == render_status(next_one)
    assert response.headers["preference-applied"] == "wait=30"


async def test_at_the_deadline_it_is_answered_as_without_a_wait(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    expected = {'"1.7"': 304, "*": 304, '"1.8"': 200, None: 200}

    answers = await asyncio.gather(
        *(waiting(client, wait_s=1, if_none_match=condition) for condition in expected)
    )

    assert [answer.status_code for answer in answers] == [*expected.values()]
    for answer in answers:
        assert answer.elapsed.total_seconds() >= 1
        assert answer.headers["etag"] == '"1.7"'
        assert answer.headers["preference-applied"] == "wait=1"
        assert answer.headers["vary"] == "Prefer"


ENOUGH: list[tuple[str, Document, dict[str, str]]] = [
    ("GET", completed(), {}),
    ("HEAD", completed(), {}),
    ("GET", processing(), {"If-None-Match": '"1.6"'}),
    ("GET", retried(), {"If-None-Match": '"1.12"'}),
]


async def test_what_is_enough_already_is_answered_at_once(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    for method, stored, headers in ENOUGH:
        await model.put(stored)

        response = await client.request(
            method, PATH, headers={**READER, "Prefer": "wait=30", **headers}
        )

        assert response.status_code == 200
        assert await is_quiet(model)


async def test_without_a_time_to_wait_nothing_is_waited_for(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    for preference in ("wait=0", "wait", "wait=soon", "respond-async"):
        response = await client.get(PATH, headers={**READER, "Prefer": preference})

        assert response.status_code == 200
        applied = "wait=0" if preference == "wait=0" else None
        assert response.headers.get("preference-applied") == applied


async def test_a_lost_hint_costs_no_more_than_a_poll(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(client, processing()) as wait:
        await model.put(completed())

        response = await wait

    assert response.content == render_status(completed())


async def test_what_was_told_to_nobody_is_read_once_hints_are_heard_again(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(unpolled, processing()) as wait:
        await model.put(completed())
        await model.redis.client_kill_filter(_type="pubsub")

        response = await wait

    assert response.content == render_status(completed())


async def test_what_others_were_told_before_ends_no_wait(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(completed())
    async with one_who_waits(unpolled, completed(), '"1.12"') as other:
        await model.put(retried())
        wait = asyncio.create_task(waiting(unpolled, wait_s=1))

        assert (await wait).content == render_status(retried())
        assert not other.done()


async def test_a_partition_that_goes_back_ends_no_wait(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    partition = model.partition_of(processing())
    await model.put(processing())
    await model.checkpoint(partition, Checkpoint(100, now_ms()))
    async with one_who_waits(unpolled, processing()) as wait:
        await model.checkpoint(partition, Checkpoint(60, now_ms()))
        await model.put(failed())
        await model.hint(failed())
        # Answered behind the read that the hint has led to.
        assert (await unpolled.get("/readyz")).status_code == 503
        assert not wait.done()
        await model.put(completed())
        await model.checkpoint(partition, Checkpoint(101, now_ms()))
        await model.hint(completed())

        assert (await wait).content == render_status(completed())


async def test_a_file_that_is_deleted_meanwhile_is_not_found(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(unpolled, processing()) as wait:
        await model.put(deleted())
        await model.hint(deleted())

        response = await wait

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "FILE_NOT_IN_STORE"
    assert response.headers["vary"] == "Prefer"


async def test_a_record_that_cannot_be_read_holds_up_nobody_else(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    same_partition = next(
        document
        for number in range(1_000)
        if model.partition_of(document := processing(file_id=f"file_{number}"))
        == model.partition_of(processing())
    )
    await model.put(same_partition)
    async with (
        one_who_waits(unpolled, processing()) as broken,
        one_who_waits(unpolled, same_partition) as sound,
    ):
        await model.redis.set(model.key_of(processing()), b"no record")
        await model.hint(processing())
        assert (await broken).status_code == 500

        ended = completed()
        ended.file_id = same_partition.file_id
        await model.put(ended)
        await model.hint(ended)
        assert (await sound).status_code == 200


async def test_hints_are_heard_only_while_somebody_waits(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    assert await listeners(model, processing()) == 0
    async with one_who_waits(client, processing()):
        assert await model.redis.pubsub_shardchannels(f"{model.prefix}:*") == [
            model.hints_of(processing()).encode()
        ]

    await until(lambda: is_quiet(model))


async def test_a_hundred_who_wait_share_one_subscription(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(unpolled, processing()):
        others = [asyncio.create_task(waiting(unpolled)) for _ in range(99)]
        assert await listeners(model, processing()) == 1
        await model.put(completed())
        await model.hint(completed())

        answers = await asyncio.gather(*others)

    assert {answer.content for answer in answers} == {render_status(completed())}


async def test_a_wait_follows_the_switch_to_another_generation(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(client, processing(), '"1.7"') as wait:
        rebuilt = StoredModel(model.redis, model.prefix, generation=2)
        await rebuilt.put(processing())
        await rebuilt.begin()

        response = await wait

    assert (response.status_code, response.headers["etag"]) == (200, '"2.7"')


async def test_hints_of_the_new_generation_are_heard(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with one_who_waits(client, processing()) as wait:
        rebuilt = StoredModel(model.redis, model.prefix, generation=2)
        await rebuilt.put(processing())
        await rebuilt.begin()

        await until(lambda: listeners(rebuilt, processing()))
        await until(lambda: is_quiet(model))
        await rebuilt.put(completed())
        await rebuilt.hint(completed())

        assert (await wait).headers["etag"] == '"2.12"'


async def is_quiet(model: StoredModel) -> bool:
    return await listeners(model, processing()) == 0
