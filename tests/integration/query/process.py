"""The query service as a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN_S = 30


@dataclass
class QueryProcess:
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def logged(self) -> str:
        return self.log.read_text()

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.logged().splitlines()]

    async def url(self) -> str:
        """Where it listens, as it logs it."""
        async with asyncio.timeout(START_WITHIN_S):
            while True:
                for event in self.events():
                    if event["event"] == "listening":
                        return f"http://{event['host']}:{event['port']}"
                if self.process.poll() is not None:
                    raise AssertionError(self.logged())
                await asyncio.sleep(0.02)

    async def ended(self) -> int:
        async with asyncio.timeout(START_WITHIN_S):
            while (code := self.process.poll()) is None:  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.02)
        return code

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


def launch(log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "milepost_query"], stderr=output, env=environment
        )


@asynccontextmanager
async def query_process(log: Path, **settings: object) -> AsyncIterator[QueryProcess]:
    """Settings are those of `QuerySettings`; the port is a free one unless it is given."""
    given = {f"MILEPOST_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "MILEPOST_HTTP_PORT": "0", **given}  # noqa: TID251  handed on
    process = launch(log, environment)
    try:
        yield QueryProcess(process, log)
    finally:
        process.kill()
        process.wait()
