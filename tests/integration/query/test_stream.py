import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.waits import stream_route
from milepost_schemas.document import Document, render_status
from tests.fixtures.waiting import until as until_so
from tests.integration.query.files import completed, deleted, failed, processing, retried
from tests.integration.query.running import (
    ORGANIZATION,
    READER,
    application,
    running_query,
    write_keys,
)
from tests.integration.query.stored_model import StoredModel
from tests.integration.query.streams import STREAM, streaming
from tests.integration.query.waiting_clients import NEVER_S, listeners, until, until_followed


@pytest.fixture
async def unpolled(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that hears hints and nothing else."""
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), poll_every_s=NEVER_S
    ) as client:
        yield client


async def change(model: StoredModel, document: Document) -> None:
    await model.put(document)
    await model.hint(document)


async def test_a_stream_tells_the_state_and_each_newer_one_until_the_attempt_has_ended(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    further = processing(revision=8, explicit_percent=60)
    async with streaming(unpolled) as stream:
        assert (await stream.status()).is_status_of(processing())
        await until_followed(unpolled)
        await change(model, further)
        assert (await stream.status()).is_status_of(further)
        await change(model, completed())
        assert (await stream.status()).is_status_of(completed())

        assert await stream.next() is None

    headers = stream.response.headers
    assert stream.response.status_code == 200
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "milepost-as-of" in headers
    assert headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("ended", [completed(), failed()])
async def test_who_has_seen_the_end_of_the_attempt_is_sent_away(
    client: httpx.AsyncClient, model: StoredModel, ended: Document
) -> None:
    await model.put(ended)
    async with streaming(client) as stream:
        event = await stream.status()
        assert event.is_status_of(ended)
        assert await stream.next() is None

    async with streaming(client, event.version) as stream:
        assert stream.response.status_code == 204
        assert await stream.next() is None


@pytest.mark.parametrize("seen", ["1.6", "", "x", "1.6.1", "0.99"])
async def test_who_has_seen_less_is_told_the_newest_state_at_once(
    client: httpx.AsyncClient, model: StoredModel, seen: str
) -> None:
    await model.put(processing())

    async with streaming(client, seen) as stream:
        assert (await stream.status()).is_status_of(processing())


async def test_who_has_seen_the_newest_state_is_told_the_next_one(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(completed())
    async with streaming(unpolled, "1.13") as stream:
        await until_followed(unpolled)
        # As after a loss that this process cannot know of: nobody is taken back.
        await change(model, processing())
        await change(model, retried())
        again = processing(revision=14, attempt=2)
        await change(model, again)

        assert (await stream.status()).is_status_of(again)


async def test_a_stream_goes_on_in_another_generation(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with streaming(client) as stream:
        await stream.status()
        rebuilt = StoredModel(model.redis, model.prefix, generation=2)
        await rebuilt.put(processing(revision=3))
        await rebuilt.begin()

        assert (await stream.status()).is_status_of(processing(revision=3), generation=2)


async def test_a_lost_hint_costs_no_more_than_a_poll(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with streaming(client) as stream:
        await stream.status()
        await model.put(completed())

        assert (await stream.status()).is_status_of(completed())


async def test_a_stream_ends_when_the_file_is_deleted(
    unpolled: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with streaming(unpolled) as stream:
        await stream.status()
        await until_followed(unpolled)
        await change(model, deleted())

        assert await stream.next() is None

    assert (await unpolled.get(STREAM, headers=READER)).status_code == 404


async def test_an_idle_stream_shows_that_it_lives(
    unpolled: httpx.AsyncClient, model: StoredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_route, "HEARTBEAT_EVERY_S", 0.01)
    await model.put(processing())
    async with streaming(unpolled) as stream:
        await stream.status()
        for _ in range(3):
            event = await stream.next()
            assert event is not None
            assert event.fields == {"": ""}
        await change(model, completed())
        while (event := await stream.next()) is not None and event.fields == {"": ""}:
            pass
        assert event is not None
        assert event.fields["data"].encode() == render_status(completed())


async def test_a_stream_ends_when_its_key_expires(
    redis_server: Server, model: StoredModel, tmp_path: Path
) -> None:
    await model.put(processing())
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    write_keys(tmp_path / "keys.json", [("ak_brief", ORGANIZATION, ["files:read"], soon)])
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(tmp_path / "keys.json")
    ) as client:
        async with streaming(client, key="ak_brief") as stream:
            await stream.status()
            # Before the next heartbeat, which would find out, too.
            async with asyncio.timeout(12):
                while (event := await stream.next()) is not None:
                    assert event.fields == {"": ""}

        refused = await client.get(STREAM, headers={"X-API-Key": "ak_brief"})
        assert refused.json()["error"]["code"] == "API_KEY_EXPIRED"


async def test_a_revoked_key_is_told_nothing_more(
    redis_server: Server, model: StoredModel, tmp_path: Path
) -> None:
    await model.put(processing())
    write_keys(tmp_path / "keys.json", [("ak_revoked", ORGANIZATION, ["files:read"], None)])
    api_keys = ApiKeys(tmp_path / "keys.json")
    async with (
        running_query(redis_server.address, prefix=model.prefix, api_keys=api_keys) as client,
        streaming(client, key="ak_revoked") as stream,
    ):
        await stream.status()
        write_keys(tmp_path / "keys.json", [])
        api_keys.refresh()
        await change(model, completed())

        assert await stream.next() is None


async def test_a_client_that_leaves_is_followed_no_more(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    async with streaming(client) as stream:
        await stream.status()
        await until(lambda: listeners(model, processing()))

    async def is_quiet() -> bool:
        return await listeners(model, processing()) == 0

    # Before the next heartbeat, which would find out, too.
    await until(is_quiet, within_s=12)


REFUSED = {
    ("GET", STREAM, "ak_unknown"): 401,
    ("GET", STREAM, "ak_stranger"): 403,
    ("GET", STREAM, "ak_writer"): 403,
    ("GET", STREAM.replace("file_", "-"), "ak_reader"): 404,
    ("GET", STREAM, "ak_reader"): 503,
    ("POST", STREAM, "ak_reader"): 405,
}


async def test_what_is_refused_is_no_stream(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.request(method, path, headers={"X-API-Key": key}) for method, path, key in REFUSED)
    )

    assert [answer.status_code for answer in answers] == [*REFUSED.values()]
    assert [answer.json()["error"]["status"] for answer in answers] == [*REFUSED.values()]


class SlowReader:
    """An ASGI server whose client takes one event, and the next only when it is told to."""

    def __init__(self, app: ASGIApp) -> None:
        self.ids: list[str] = []
        self.takes_on = asyncio.Event()
        self._app = app
        self._leaves = asyncio.Event()

    async def run(self) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "raw_path": STREAM.encode(),
            "headers": [(b"x-api-key", b"ak_reader")],
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        found = re.findall(r"id: ([0-9.]+)", message.get("body", b"").decode())
        self.ids += found
        if found:
            await self.takes_on.wait()


async def test_a_slow_reader_gets_the_newest_state_and_no_backlog(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> None:
    await model.put(processing())
    async with application(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file)
    ) as (app, following):
        reader = SlowReader(app)
        reading = asyncio.create_task(reader.run())
        await until(lambda: listeners(model, processing()))
        for revision in range(8, 108):
            await change(model, processing(revision=revision))
        ended = completed()
        ended.revision = 108
        await change(model, ended)
        (file,) = following._files.values()
        await until_so(lambda: file.status is not None and file.status.version == (1, 108))
        reader.takes_on.set()
        await reading

    assert reader.ids == ["1.7", "1.108"]


READ_BY_HTTPX = """\
import httpx, sys
with httpx.stream("GET", sys.argv[1], headers={"X-API-Key": "ak_reader"}, timeout=60) as response:
    for line in response.iter_lines():
        print(line, flush=True)
"""

READERS = {
    "curl": ["curl", "-sN", "-H", "X-API-Key: ak_reader"],
    "httpx": [sys.executable, "-c", READ_BY_HTTPX],
}


@pytest.mark.parametrize("name", READERS)
async def test_another_process_reads_a_stream_as_it_comes(
    name: str, client: httpx.AsyncClient, model: StoredModel
) -> None:
    program, *options = READERS[name]
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} on this machine")
    await model.put(processing())
    command = [program, *options, f"{client.base_url}{STREAM}"]
    reader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert reader.stdout is not None
    async with asyncio.timeout(60):
        lines = [await reader.stdout.readline() for _ in range(4)]
        await model.put(completed())
        rest = await reader.stdout.read()
        code = await reader.wait()

    assert code == 0
    assert lines[:2] == [b"event: status\n", b"id: 1.7\n"]
    assert json.loads(lines[2].removeprefix(b"data: "))["progress_percent"] == 50
    assert rest == b"event: status\nid: 1.12\ndata: " + render_status(completed()) + b"\n\n"
