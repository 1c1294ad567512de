"""The real query service over a real Redis, which holds what a log in memory folds."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec

from milepost.memory_log import MemoryLog
from milepost.outbox import Position, Record
from milepost_local.ports import free_port
from milepost_schemas.document import Document
from milepost_schemas.events import LogRecorded
from milepost_schemas.identity import file_key
from milepost_schemas.logs import LogLine
from milepost_schemas.topics import EVENTS, PARTITIONS
from tests.integration.query.projected import ProjectedFiles

API_KEY = "ak_contract"
_CLAIM_INTERVAL_S = 0.05


class RedisLog(MemoryLog):
    """Writes what a record comes to into Redis, as a projector does."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._running = threading.Thread(target=self._loop.run_forever)
        self._running.start()
        self._turn = asyncio.Lock()
        self._files = ProjectedFiles(url, prefix, partitions=PARTITIONS)
        self._do(self._files.begin())
        self._claiming = asyncio.run_coroutine_threadsafe(self._keep_claiming(), self._loop)

    async def publish(self, record: Record, topic: str = EVENTS.name) -> Position:
        position = await super().publish(record, topic)
        data = self.events[-1].data
        document = self._documents[file_key(data.store_id, data.file_id)]
        assert document is not None
        lines = self.log_lines(store_id=data.store_id, file_id=data.file_id)
        is_line = isinstance(data, LogRecorded)
        self._do(self._write(document, lines[-1:] if is_line else []))
        return position

    def close(self) -> None:
        self._claiming.cancel()
        self._do(self._files.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._running.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _write(self, document: Document, lines: list[LogLine]) -> None:
        async with self._turn:
            if document.revision:
                await self._files.put(document)
            if lines:
                await self._files.log(document, lines)

    async def _keep_claiming(self) -> None:
        """A log at rest is known up to now, and again a moment later, so 404 is certain."""
        while True:
            async with self._turn:
                await self._files.as_of_now()
            await asyncio.sleep(_CLAIM_INTERVAL_S)


@contextmanager
def running_query_service(redis_url: str, prefix: str, directory: Path) -> Iterator[str]:
    """The service's base URL; `API_KEY` is a key of `org_1`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {  # noqa: TID251  the service inherits the test's environment
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_API_KEYS_FILE": str(_api_keys_file(directory)),
        "MILEPOST_HTTP_PORT": str(port),
    }
    with (directory / "query.log").open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-m", "milepost_query"], env=environment, stdout=output, stderr=output
        )
    try:
        _await_livez(url, service)
        yield url
    finally:
        service.terminate()
        service.wait(60)


def _await_livez(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if httpx.get(f"{url}/livez").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError("the query service does not answer")


def _api_keys_file(directory: Path) -> Path:
    path = directory / "api_keys.json"
    key = {
        "key_id": "contract",
        "sha256": sha256(API_KEY.encode()).hexdigest(),
        "organization_id": "org_1",
        "scopes": ["files:read"],
        "expires_at": None,
    }
    path.write_bytes(msgspec.json.encode({"keys": [key]}))
    return path
