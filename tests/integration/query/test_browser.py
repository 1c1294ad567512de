"""The page and the reader that the documentation shows, in a real browser."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.server import bind
from milepost_query.terms import Terms
from tests.fixtures.chromium import browsing
from tests.integration.query.files import PATH, completed, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import running_query

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

FOLLOW = """
<script type="module">
  const { url, key } = document.forms[0].elements;
  [url.value, key.value] = ["STREAM", "ak_reader"];
  document.forms[0].requestSubmit();
  new MutationObserver(() => {
    const told = [...document.querySelectorAll("li")].map((line) => JSON.parse(line.textContent));
    const shown = document.querySelector("output").value;
    fetch("/told", { method: "POST", body: JSON.stringify({ told, shown }) });
  }).observe(document.querySelector("ol"), { childList: true });
</script>
"""


class Page:
    """Serves the page with a stream to follow filled in, and learns what it shows."""

    def __init__(self, stream_url: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.shown = ""
        self._stream_url = stream_url
        self._news = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/told", self._take, methods=["POST"]),
                Mount("/", StaticFiles(directory=EXAMPLES)),
            ]
        )

    async def until_told(self, percent: int) -> None:
        async with asyncio.timeout(60):
            while percent not in [status["progress_percent"] for status in self.told]:
                self._news.clear()
                await self._news.wait()

    async def _page(self, _: Request) -> Response:
        page = (EXAMPLES / "stream.html").read_text()
        return HTMLResponse(page + FOLLOW.replace("STREAM", self._stream_url))

    async def _take(self, request: Request) -> Response:
        report = json.loads(await request.body())
        self.told, self.shown = report["told"], report["shown"]
        self._news.set()
        return Response()


class Proxy:
    """Stands in front of the service, and breaks the first stream once its page has an event."""

    def __init__(self, service: httpx.AsyncClient, page: Page) -> None:
        self.resumed_from: list[str | None] = []
        """What each request for the stream says that it has seen."""
        self.preflights = 0
        self._service = service
        self._page = page
        self.app = Starlette(routes=[Route("/{path:path}", self._pass, methods=["GET", "OPTIONS"])])

    async def _pass(self, request: Request) -> Response:
        is_preflight = request.method == "OPTIONS"
        self.preflights += is_preflight
        if not is_preflight:
            self.resumed_from.append(request.headers.get("Last-Event-ID"))
        asked = self._service.build_request(
            request.method, request.url.path, headers=request.headers.raw
        )
        answer = await self._service.send(asked, stream=True)
        is_broken = self.resumed_from == [None] and not is_preflight
        return StreamingResponse(
            _chunks(answer, self._page if is_broken else None), answer.status_code, answer.headers
        )


async def _chunks(answer: httpx.Response, broken_to: Page | None) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
            if broken_to is not None:
                # A browser may drop what it has not handed out yet when the connection breaks.
                await broken_to.until_told(50)
                raise ConnectionResetError("as a proxy does that restarts")
    finally:
        await answer.aclose()


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


def origin_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_page_of_another_origin_follows_a_file_to_its_end_over_a_broken_connection(
    projected: ProjectedFiles, redis_server: Server, keys_file: Path, tmp_path: Path
) -> None:
    await projected.put(processing())
    page_listener, proxy_listener = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    page = Page(f"{origin_of(proxy_listener)}{PATH}/stream")
    async with running_query(
        redis_server.address,
        prefix=projected.prefix,
        api_keys=ApiKeys(keys_file),
        terms=Terms(cors_origins=(origin_of(page_listener),)),
    ) as service:
        proxy = Proxy(service, page)
        async with serving(page.app, page_listener), serving(proxy.app, proxy_listener):
            with browsing(origin_of(page_listener), tmp_path / "profile"):
                await page.until_told(50)
                await projected.put(processing(explicit_percent=70, revision=8))
                await page.until_told(70)
                await projected.put(completed())
                await page.until_told(100)

    statuses = [(status["status"], status["progress_percent"]) for status in page.told]
    assert statuses == [("processing", 50), ("processing", 70), ("completed", 100)]
    assert page.shown == "completed"
    assert proxy.resumed_from == [None, "1.7"]
    assert proxy.preflights > 0
