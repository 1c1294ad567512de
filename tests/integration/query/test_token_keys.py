"""The key set of an issuer, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from milepost_query.access.token_keys import TokenKeys, token_keys
from tests.integration.query.issuer import key_set


@dataclass
class KeySetServer:
    """Answers every request with what it is told to."""

    status: str = "200 OK"
    body: str = field(default_factory=lambda: key_set("one"))
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n{self.body}".encode())
        await writer.drain()
        writer.close()
        self.asked.set()


@asynccontextmanager
async def key_set_server() -> AsyncIterator[KeySetServer]:
    serving = KeySetServer()
    server = await asyncio.start_server(serving.answer, "127.0.0.1", 0)
    async with server:
        serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        yield serving


def names(keys: TokenKeys) -> set[str]:
    return {name for name in ("one", "two") if keys.find(name, "RS256") is not None}


async def test_keys_are_those_of_the_url_as_of_the_last_refresh() -> None:
    async with key_set_server() as server:
        keys = token_keys(server.url)
        await keys.refresh()
        first, version = names(keys), keys.version
        await keys.refresh()
        unchanged = keys.version
        server.body = key_set("two")
        await keys.refresh()

    assert (first, names(keys)) == ({"one"}, {"two"})
    assert unchanged == version != keys.version


@pytest.mark.parametrize("status", ["500 Oops", "404 Not Found", "302 Found"])
async def test_a_url_that_answers_an_error_takes_no_key_away(status: str) -> None:
    async with key_set_server() as server:
        keys = token_keys(server.url)
        await keys.refresh()
        server.status, server.body = status, key_set("two")
        await keys.refresh()

    assert names(keys) == {"one"}


async def test_a_url_that_is_away_is_logged_once_and_takes_no_key_away() -> None:
    async with key_set_server() as server:
        keys = token_keys(server.url)
        await keys.refresh()
    with capture_logs() as logged:
        await keys.refresh()
        await keys.refresh()

    assert names(keys) == {"one"}
    assert [entry["event"] for entry in logged] == ["token_keys_not_read"]
    assert logged[0]["kept"] == 2


async def test_a_url_that_was_away_at_first_is_asked_again_soon() -> None:
    async with key_set_server() as server:
        server.status = "503 Service Unavailable"
        keys = token_keys(server.url)
        watching = asyncio.create_task(keys.watch())
        async with asyncio.timeout(60):
            await server.asked.wait()
            server.status = "200 OK"
            while not keys.is_known:  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.02)
        watching.cancel()

    assert names(keys) == {"one"}
