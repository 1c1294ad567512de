import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from milepost_local.servers import OwnServer
from milepost_query.access.api_keys import ApiKeys
from milepost_schemas.document import Document, render_status
from tests.integration.query.files import FILE, PATH, processing
from tests.integration.query.running import ORGANIZATION, READER, running_query
from tests.integration.query.stored_model import StoredModel


async def ask(client: httpx.AsyncClient) -> int:
    return (await client.get(PATH, headers=READER)).status_code


async def ask_all(client: httpx.AsyncClient, documents: list[Document]) -> list[int]:
    """Codes, once each answer is known to be its own file's."""
    paths = [PATH.replace(FILE, document.file_id) for document in documents]
    answers = await asyncio.gather(*(client.get(path, headers=READER) for path in paths))
    for answer, document in zip(answers, documents, strict=True):
        assert answer.is_error or answer.content == render_status(document)
    return [answer.status_code for answer in answers]


async def await_answer(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while await ask(client) != 200:
            pass


@pytest.mark.usefixtures("own_model")
async def test_a_killed_redis_is_503_at_once_and_answers_again_once_it_is_back(
    own_server: OwnServer, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        assert await ask(client) == 200

        own_server.kill()
        began = time.monotonic()
        codes = await asyncio.gather(*(ask(client) for _ in range(20)))
        took_s = time.monotonic() - began
        ready = await client.get("/readyz")
        await own_server.start()
        await await_answer(client)

    assert set(codes) == {503}
    assert took_s < 1
    assert ready.json()["error"]["details"] == {"reason": "Redis does not answer"}


async def test_a_frozen_redis_is_503_within_a_short_time(
    own_server: OwnServer, own_model: StoredModel, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        assert await ask(client) == 200
        pid = int((await own_model.redis.info("server"))["process_id"])
        documents = [processing(file_id=f"file_{n}", explicit_percent=n) for n in range(50)]
        for document in documents:
            await own_model.put(document)

        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            frozen = await ask_all(client, documents)
            took_s = time.monotonic() - began
        finally:
            os.kill(pid, signal.SIGCONT)
        await await_answer(client)
        thawed = [await ask_all(client, documents) for _ in range(5)]

    assert set(frozen) == {503}
    assert took_s < 2
    assert set().union(*thawed) == {200}


async def test_an_outage_leaks_no_connection(
    own_server: OwnServer, own_model: StoredModel, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        for _ in range(3):
            await own_model.redis.client_kill_filter(_type="normal", skipme=True)
            await asyncio.gather(*(ask(client) for _ in range(20)))
        await await_answer(client)
        connected = len(await own_model.redis.client_list())

    assert connected == 2


async def test_a_dropped_connection_costs_no_answer(
    own_server: OwnServer, own_model: StoredModel, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        assert await ask(client) == 200
        await own_model.redis.client_kill_filter(_type="normal", skipme=True)

        assert await ask(client) == 200


async def lists(client: httpx.AsyncClient, *, count: int) -> list[int]:
    paths = [PATH.rpartition("/files/")[0] + route for route in ("/files", "/files?search=a")]
    paths.append(f"/v1/organizations/{ORGANIZATION}/stores/usage")
    asked = paths * count
    answers = await asyncio.gather(*(client.get(path, headers=READER) for path in asked))
    return [answer.status_code for answer in answers]


async def await_lists(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while set(await lists(client, count=1)) != {200}:
            pass


@pytest.mark.usefixtures("own_model")
async def test_lists_of_a_killed_redis_are_503_and_are_answered_again_once_it_is_back(
    own_server: OwnServer, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        await await_lists(client)

        own_server.kill()
        killed = await lists(client, count=5)
        await own_server.start()
        await await_lists(client)

    assert set(killed) == {503}


async def test_lists_of_a_frozen_redis_are_503_and_leak_no_connection(
    own_server: OwnServer, own_model: StoredModel, keys_file: Path
) -> None:
    api_keys = ApiKeys(keys_file)
    async with running_query(own_server.address, prefix="mp", api_keys=api_keys) as client:
        await await_lists(client)
        pid = int((await own_model.redis.info("server"))["process_id"])

        os.kill(pid, signal.SIGSTOP)
        try:
            frozen = await lists(client, count=20)
        finally:
            os.kill(pid, signal.SIGCONT)
        await await_lists(client)
        await own_model.redis.client_kill_filter(_type="normal", skipme=True)
        await await_lists(client)
        connected = len(await own_model.redis.client_list())

    assert set(frozen) == {503}
    # This test's own, the lists', and perhaps the statuses'.
    assert connected <= 3
