"""A load generator for HTTP: one request in flight on each of some connections.

It runs in a process of its own and speaks just enough HTTP/1.1 to cost about a fifth of what the
fastest server here costs, so that the server stays the bottleneck.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Final, cast

import uvloop

GENERATOR: Final = "bench.load"

_OK: Final = b"HTTP/1.1 200 "
_LENGTH: Final = b"\r\ncontent-length: "
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True)
class Load:
    """What is asked for: all paths in turn, for a while."""

    host: str
    port: int
    paths: tuple[str, ...]
    headers: dict[str, str]
    bodies: tuple[str, ...] = ()
    """Posted in turn, one for each path; without any, the paths are got."""
    connections: int = 64
    warm_up_s: float = 0.3
    measured_s: float = 1.0

    def requests(self) -> Iterator[bytes]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        start = f" HTTP/1.1\r\nHost: {self.host}\r\n{lines}"
        if not self.bodies:
            return cycle(f"GET {path}{start}\r\n".encode() for path in self.paths)
        return cycle(
            f"POST {path}{start}Content-Length: {len(body)}\r\n\r\n{body}".encode()
            for path, body in zip(self.paths, self.bodies, strict=True)
        )


async def requests_per_s(load: Load) -> float:
    """The rate that the server sustains. Raises if any answer is not a 200."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(asdict(load)).encode())
    if process.returncode:
        raise RuntimeError("the load generator failed")
    return float(out)


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete."""

    def __init__(self, requests: Iterator[bytes], failed: asyncio.Future[None]) -> None:
        self.answered = 0
        self._requests = requests
        self._failed = failed
        self._received = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        body = received.find(_END) + len(_END)
        if body < len(_END):
            return
        start = received.index(_LENGTH) + len(_LENGTH)
        if len(received) < body + int(received[start : received.index(b"\r\n", start)]):
            return
        if not received.startswith(_OK):
            self._fail(received[:body].decode())
            return
        self._received = b""
        self.answered += 1
        self._transport.write(next(self._requests))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}")

    def _fail(self, reason: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(RuntimeError(reason))


async def _measure(load: Load) -> float:
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    requests = load.requests()
    connections: list[_Connection] = []
    for _ in range(load.connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, failed), load.host, load.port
        )
        connections.append(connection)
    await _pass(load.warm_up_s, failed)
    before, began = sum(c.answered for c in connections), time.perf_counter()
    await _pass(load.measured_s, failed)
    answered = sum(c.answered for c in connections) - before
    if not answered:
        raise RuntimeError("the server answers nothing")
    return answered / (time.perf_counter() - began)


async def _pass(seconds: float, failed: asyncio.Future[None]) -> None:
    done, _ = await asyncio.wait([failed], timeout=seconds)
    for future in done:
        future.result()


if __name__ == "__main__":
    print(uvloop.run(_measure(Load(**json.load(sys.stdin)))))
