"""A reader that asks at a steady rate until its input ends, then tells how long answers took.

Open loop: a request is due when its time has come, whatever became of the ones before, and waits
count from then. It runs in a process of its own.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Final

import uvloop

from bench.load import Load

CONNECTIONS: Final = 16
REPORT_WITHIN_S: Final = 30


class Pace:
    """Delays in ms of the answers to paced requests; there when the block has been left."""

    p50_ms: float
    p99_ms: float


@asynccontextmanager
async def paced(load: Load, per_s: int) -> AsyncIterator[Pace]:
    """Keep asking for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.pace",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101  it was asked for
    asked = replace(load, connections=CONNECTIONS)
    process.stdin.write(json.dumps({"load": asdict(asked), "per_s": per_s}).encode() + b"\n")
    pace = Pace()
    yield pace
    out, _ = await asyncio.wait_for(process.communicate(b"\n"), REPORT_WITHIN_S)
    if process.returncode:
        raise RuntimeError("the paced reader failed")
    pace.p50_ms, pace.p99_ms = json.loads(out)


class _Reader:
    """Asks on a connection of its own, one request after the other."""

    def __init__(self, due: asyncio.Queue[tuple[float, bytes]]) -> None:
        self.delays_ms: list[float] = []
        self._due = due

    async def run(self, host: str, port: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while True:
            due_at, request = await self._due.get()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode())
            length = head[head.index(b"content-length: ") + 16 :].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            self.delays_ms.append((time.perf_counter() - due_at) * 1e3)


async def _read(load: Load, per_s: int) -> list[float]:
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    readers = [_Reader(due) for _ in range(load.connections)]
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.readline)
    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(each.run(load.host, load.port)) for each in readers]
        requests, started, count = load.requests(), time.perf_counter(), 0
        while not ended.done():
            due_at = started + count / per_s
            await asyncio.sleep(due_at - time.perf_counter())
            due.put_nowait((due_at, next(requests)))
            count += 1
        for task in reading:
            task.cancel()
    return [delay for each in readers for delay in each.delays_ms]


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    measured = uvloop.run(_read(Load(**told["load"]), told["per_s"]))
    cuts = statistics.quantiles(measured, n=100)
    print(json.dumps([cuts[49], cuts[98]]))
