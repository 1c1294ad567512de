"""The projector's own HTTP: `/livez`, `/readyz` and `/metrics`, for those who run it."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app

from milepost_projector.progress import Progress

Passed = MutableMapping[str, Any]
"""What ASGI passes to an application, and an application to ASGI."""

FINISH_WITHIN_S: Final = 1
"""What a request in hand gets when the projector stops."""

UVICORN: Final[dict[str, Any]] = {
    "http": "h11",
    "ws": "none",
    "lifespan": "off",
    "interface": "asgi3",
    "access_log": False,
    "log_config": None,
    "log_level": "warning",
    "server_header": False,
    "timeout_graceful_shutdown": FINISH_WITHIN_S,
}

log = structlog.get_logger()


class BindError(Exception):
    """The address cannot be listened on."""


class Probes:
    """An ASGI application that answers from memory: it asks neither Kafka nor Redis."""

    def __init__(self, progress: Progress, registry: CollectorRegistry) -> None:
        self._progress = progress
        self._metrics = make_asgi_app(registry)

    async def __call__(
        self,
        scope: Passed,
        receive: Callable[[], Awaitable[Passed]],
        send: Callable[[Passed], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["path"] == "/metrics":
            await self._metrics(scope, receive, send)
            return
        status, body = self._answer(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/livez":
            return 200, {"status": "alive"}
        if path == "/readyz":
            return self._readiness()
        return 404, {"status": "not_found"}

    def _readiness(self) -> tuple[int, dict[str, Any]]:
        obstacle, obstacles = self._progress.obstacle(), self._progress.obstacles()
        if obstacle or obstacles:
            reason = obstacle or "some partitions make no progress"
            return 503, {"status": "not_ready", "reason": reason, "partitions": obstacles}
        return 200, {"status": "ready", "partitions": self._progress.owned}


class _Server(uvicorn.Server):
    """Leaves the signals to the projector, which ends the server when it has ended itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Probes, host: str, port: int) -> AsyncIterator[None]:
    """Answer requests for as long as the block lasts; port 0 takes any free one and logs which.

    Raises:
        BindError: the address cannot be listened on.
    """
    listener = _bind(host, port)
    address = listener.getsockname()
    log.info("listening", host=address[0], port=address[1])
    server = _Server(uvicorn.Config(app, **UVICORN))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([running])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BindError(f"cannot listen on {host}:{port}: {reason}") from error
