"""The clients over an in-memory transport: what they send, and what they hold open."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from milepost import AsyncMilepost, Milepost
from milepost.errors import AuthenticationError, UnreachableError
from tests.unit.client.scripted_service import PATH, body, event

URL = "http://test"
FILE = {"organization_id": "org_1", "store_id": "vs_1", "file_id": "file_1"}
STORE = {"organization_id": "org_1", "store_id": "vs_1"}

Answer = Callable[[httpx.Request], httpx.Response]


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream that breaks when it is read to its end, or ends there."""

    def __init__(self, *chunks: bytes, is_endless: bool = True, pause_s: float = 0) -> None:
        self.is_closed = False
        self._chunks = chunks
        self._is_endless = is_endless
        self._pause_s = pause_s

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            time.sleep(self._pause_s)
        if self._is_endless:
            raise httpx.ReadError("nobody reads so far")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def call(answer: Answer, method: str, **arguments: Any) -> Any:
    transport = httpx.MockTransport(answer)
    with Milepost(base_url=URL, api_key="ak_1", transport=transport) as client:
        return getattr(client.knowledge, method)(**arguments)


def call_async(answer: Answer, method: str, **arguments: Any) -> Any:
    async def ask() -> Any:
        transport = httpx.MockTransport(answer)
        async with AsyncMilepost(base_url=URL, api_key="ak_1", transport=transport) as client:
            return await getattr(client.knowledge, method)(**arguments)

    return asyncio.run(ask())


@pytest.mark.parametrize("call", [call, call_async])
def test_a_request_carries_the_key_and_what_is_asked_for(call: Callable[..., Any]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        page = {"items": [], "total": 0, "skip": 40, "limit": 20, "has_more": False}
        return httpx.Response(200, json=page)

    call(answer, "list_files", **STORE, status="failed", search="a b", skip=40)

    (request,) = asked
    assert request.url.path == "/v1/organizations/org_1/stores/vs_1/files"
    assert dict(request.url.params) == {
        "skip": "40",
        "limit": "20",
        "status": "failed",
        "search": "a b",
    }
    assert request.headers["X-API-Key"] == "ak_1"


@pytest.mark.parametrize("call", [call, call_async])
def test_many_files_are_asked_for_in_parts_of_500(call: Callable[..., Any]) -> None:
    parts: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        file_ids = json.loads(request.content)["file_ids"]
        parts.append(len(file_ids))
        # An id that the service leaves out is not there either.
        found = {name: body("pending") for name in file_ids[:1]}
        return httpx.Response(200, json={"files": found})

    file_ids = [f"file_{number}" for number in range(1_200)]
    statuses = call(
        answer, "get_processing_statuses", **STORE, file_ids=iter([*file_ids, *file_ids])
    )

    assert parts == [500, 500, 200]
    assert list(statuses) == file_ids
    assert [name for name, status in statuses.items() if status] == [
        "file_0",
        "file_500",
        "file_1000",
    ]


@pytest.mark.parametrize("call", [call, call_async])
def test_no_files_are_no_request(call: Callable[..., Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    assert call(answer, "get_processing_statuses", **STORE, file_ids=[]) == {}


@pytest.mark.parametrize("call", [call, call_async])
def test_reading_may_take_as_long_as_the_service_holds(call: Callable[..., Any]) -> None:
    timeouts: list[dict[str, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"])
        return httpx.Response(200, json=body("completed"))

    call(answer, "wait_until_processed", **FILE, timeout_s=600)

    assert timeouts == [{"connect": 10, "read": 40, "write": 10, "pool": 10}]


@pytest.mark.parametrize("call", [call, call_async])
def test_a_service_that_gives_no_answer_is_unreachable(call: Callable[..., Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnreachableError, match="ConnectError: refused"):
        call(answer, "get_file", **FILE)


def test_leaving_a_watch_early_closes_its_stream() -> None:
    stream = Body(event("processing", 10, "1.2"), event("processing", 20, "1.3"))

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"{PATH}/stream"
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=stream)

    transport = httpx.MockTransport(answer)
    with Milepost(base_url=URL, api_key="ak_1", transport=transport) as client:
        watching = client.knowledge.watch(**FILE, timeout_s=60)
        assert next(watching).progress_percent == 10
        assert not stream.is_closed
        watching.close()

    assert stream.is_closed


async def test_leaving_an_asynchronous_watch_early_closes_its_stream() -> None:
    stream = Body(event("processing", 10, "1.2"), event("processing", 20, "1.3"))

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=stream)

    transport = httpx.MockTransport(answer)
    async with (
        AsyncMilepost(base_url=URL, api_key="ak_1", transport=transport) as client,
        aclosing(client.knowledge.watch(**FILE, timeout_s=60)) as watching,
    ):
        assert (await anext(watching)).progress_percent == 10
        assert not stream.is_closed

    assert stream.is_closed


def test_a_stream_is_closed_while_something_else_is_asked() -> None:
    stream = Body(event("processing", 10, "1.2"), b":", b":", pause_s=0.1)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/stream"):
            return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=stream)
        assert stream.is_closed
        return httpx.Response(200, json=body("completed"))

    transport = httpx.MockTransport(answer)
    with Milepost(base_url=URL, api_key="ak_1", transport=transport) as client:
        # With less than 30 seconds left it goes on without a stream.
        told = [status.status for status in client.knowledge.watch(**FILE, timeout_s=30.15)]

    assert told == ["processing", "completed"]


def refuse(_: httpx.Request) -> httpx.Response:
    error = json.dumps({"error": {"code": "TOKEN_EXPIRED"}}).encode()
    return httpx.Response(401, stream=Body(error, is_endless=False))


def test_why_there_is_no_stream_is_read() -> None:
    transport = httpx.MockTransport(refuse)
    with (
        Milepost(base_url=URL, api_key="ak_1", transport=transport) as client,
        pytest.raises(AuthenticationError, match="TOKEN_EXPIRED"),
    ):
        next(client.knowledge.watch(**FILE, timeout_s=60))


async def test_why_there_is_no_asynchronous_stream_is_read() -> None:
    transport = httpx.MockTransport(refuse)
    async with AsyncMilepost(base_url=URL, api_key="ak_1", transport=transport) as client:
        with pytest.raises(AuthenticationError, match="TOKEN_EXPIRED"):
            await anext(client.knowledge.watch(**FILE, timeout_s=60))
