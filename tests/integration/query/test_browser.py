"""The page and the reader that the documentation shows, in a real browser."""

import asyncio
import json
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

from milepost_query.server import bind
from tests.fixtures.chromium import browsing
from tests.integration.query.files import PATH, completed, processing
from tests.integration.query.projected import ProjectedFiles

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


class Front:
    """A web server in front of the service: serves the page, and breaks the first stream."""

    def __init__(self, service: httpx.AsyncClient) -> None:
        self.resumed_from: list[str | None] = []
        """What each request for the stream says that it has seen."""
        self.told: list[dict[str, Any]] = []
        """What the page shows, statuses of all connections."""
        self.shown = ""
        self._service = service
        self._news = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/told", self._take, methods=["POST"]),
                Route("/{path:path}/stream", self._stream),
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
        return HTMLResponse(page + FOLLOW.replace("STREAM", f"{PATH}/stream"))

    async def _take(self, request: Request) -> Response:
        report = json.loads(await request.body())
        self.told, self.shown = report["told"], report["shown"]
        self._news.set()
        return Response()

    async def _stream(self, request: Request) -> Response:
        self.resumed_from.append(request.headers.get("Last-Event-ID"))
        names = ("Accept", "X-API-Key", "Last-Event-ID")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        chunks = self._chunks(headers, is_broken=len(self.resumed_from) == 1)
        return StreamingResponse(chunks, media_type="text/event-stream")

    async def _chunks(self, headers: dict[str, str], *, is_broken: bool) -> AsyncIterator[bytes]:
        async with self._service.stream("GET", f"{PATH}/stream", headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                yield chunk
                if is_broken:
                    raise ConnectionResetError("as a proxy does that restarts")


@asynccontextmanager
async def running(front: Front) -> AsyncIterator[str]:
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(front.app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


async def test_a_page_follows_a_file_to_its_end_over_a_broken_connection(
    projected: ProjectedFiles, reader: httpx.AsyncClient, tmp_path: Path
) -> None:
    await projected.put(processing())
    front = Front(reader)
    async with running(front) as url:
        with browsing(url, tmp_path / "profile"):
            await front.until_told(50)
            await projected.put(processing(explicit_percent=70, revision=8))
            await front.until_told(70)
            await projected.put(completed())
            await front.until_told(100)

    statuses = [(status["status"], status["progress_percent"]) for status in front.told]
    assert statuses == [("processing", 50), ("processing", 70), ("completed", 100)]
    assert front.shown == "completed"
    assert front.resumed_from == [None, "1.7"]
