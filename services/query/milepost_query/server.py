"""The HTTP server: its socket, its settings, and its end."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from milepost_query.edge.joined_writes import JoiningProtocol

KEEP_ALIVE_S: Final = 75
"""Longer than the idle time of the usual load balancers, so that they close first."""

FINISH_WITHIN_S: Final = 5
"""What requests in hand get when the process is told to stop."""

GC_THRESHOLD: Final = 100_000
"""New objects between collections: requests in flight are many and leave no cycles behind."""

UVICORN: Final[dict[str, Any]] = {
    "http": JoiningProtocol,
    "ws": "none",
    "interface": "asgi3",
    "access_log": False,
    "log_config": None,
    "log_level": "warning",
    "proxy_headers": False,
    "server_header": False,
    "timeout_keep_alive": KEEP_ALIVE_S,
    "timeout_graceful_shutdown": FINISH_WITHIN_S,
}


class BindError(Exception):
    """The address cannot be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises BindError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BindError(f"cannot listen on {host}:{port}: {reason}") from error
    # Connections inherit it. uvloop would set it anyway, asyncio would not, and an answer's body,
    # which follows its head, would wait for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """Lets those who wait know that it ends, before it waits for them."""

    def __init__(self, app: ASGIApp, before_end: Callable[[], None]) -> None:
        super().__init__(uvicorn.Config(app, **UVICORN))
        self._before_end = before_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_end()
        await super().shutdown(sockets)


async def serve(app: ASGIApp, listener: socket.socket, *, before_end: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in hand.

    `before_end` is called when the end has come, for what would wait longer than that.
    """
    server = Server(app, before_end)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    # uvicorn raises a caught signal again when it has ended; with these it ends the process as a
    # success instead of by the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # What is there before the first request stays: no collection needs to look at it again.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    await server.serve(sockets=[listener])
