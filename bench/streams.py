"""What open streams cost: memory for each, and the time from an event to the last of them.

All streams are of one process. They follow one file each for the memory, and all the same file for
the time.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import psutil
from redis.asyncio import Redis

from bench.query_peers import STATUS_PATH
from bench.query_service import API_KEY, query_service
from bench.stored_files import GENERATION, client, documents, store
from milepost_local.providers import provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.document import Document
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS, partition_of

STREAMS: Final = 10_000
FILES: Final = 1_000
EVENTS: Final = 7
"""Whose times are taken, one after the other."""
AT_ONCE: Final = 200
"""Connections that are being opened."""


class Reader(asyncio.Protocol):
    """Reads one stream, and counts the events."""

    def __init__(self, request: bytes, on_event: "Arrivals") -> None:
        self._request = request
        self._on_event = on_event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if b"event: status" in data:
            self._on_event.note()


class Arrivals:
    """Done when each of so many streams has had its next event."""

    def __init__(self) -> None:
        self._left = 0
        self._all = asyncio.Event()

    def expect(self, events: int) -> None:
        self._left = events
        self._all.clear()

    def note(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._all.set()

    async def all(self) -> None:
        async with asyncio.timeout(120):
            await self._all.wait()


class Site:
    """A running service, its read model, and those who read its streams."""

    def __init__(self, redis: Redis, prefix: str, pid: int, port: int) -> None:
        self.arrivals = Arrivals()
        self._redis = redis
        self._keys = Keys(prefix)
        self._process = psutil.Process(pid)
        self._port = port

    @property
    def resident_bytes(self) -> int:
        found: int = self._process.memory_info().rss
        return found

    async def open(self, files: list[Document]) -> list[asyncio.BaseTransport]:
        """One stream for each, once all have had their first event."""
        self.arrivals.expect(len(files))
        opened: list[asyncio.BaseTransport] = []
        for start in range(0, len(files), AT_ONCE):
            batch = files[start : start + AT_ONCE]
            opened += await asyncio.gather(*(self._connect(file) for file in batch))
        await self.arrivals.all()
        return opened

    async def event_to_last_s(self, document: Document, streams: int) -> float:
        """From the script call's end, which is when a hint leaves Redis, to the last reader."""
        key = file_key(document.store_id, document.file_id)
        place = self._keys.partition(GENERATION, partition_of(key.encode(), PARTITIONS))
        self.arrivals.expect(streams)
        began = time.perf_counter()
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(place.file(key), encode_record(document))
            pipeline.spublish(place.hints, key)
            await pipeline.execute()
        await self.arrivals.all()
        return time.perf_counter() - began

    async def _connect(self, file: Document) -> asyncio.BaseTransport:
        path = STATUS_PATH.format(
            organization_id=file.organization_id, store_id=file.store_id, file_id=file.file_id
        )
        head = f"GET {path}/stream HTTP/1.1\r\nHost: bench\r\nX-API-Key: {API_KEY}\r\n\r\n"
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: Reader(head.encode(), self.arrivals), "127.0.0.1", self._port
        )
        return transport


@asynccontextmanager
async def site(redis_url: str) -> AsyncIterator[Site]:
    """A service of its own process."""
    prefix = f"bench{time.monotonic_ns()}"
    async with client(redis_url) as redis:
        await store(redis, prefix, documents(FILES))
        async with query_service(redis_url, prefix) as service:
            yield Site(redis, prefix, service.pid, service.port)


async def measured(redis_url: str) -> dict[str, float]:
    """Kilobytes of each stream, and seconds from an event to the last of all."""
    files = list(documents(FILES))
    async with site(redis_url) as at:
        warmed = await at.open(files)
        before = at.resident_bytes
        one_each = await at.open(files * (STREAMS // FILES))
        bytes_each = (at.resident_bytes - before) / STREAMS
        for transport in (*warmed, *one_each):
            transport.close()
    async with site(redis_url) as at:
        followed = files[0]
        await at.open([followed] * STREAMS)
        times = []
        for number in range(EVENTS):
            followed.revision += 1
            followed.explicit_percent = 51 + number
            times.append(await at.event_to_last_s(followed, STREAMS))
    return {
        "kilobytes_each": bytes_each / 1_000,
        "event_to_last_s": statistics.median(times),
        "event_to_last_worst_s": max(times),
    }


async def run(rounds: int = 3) -> dict[str, Any]:
    """Medians of the rounds, each with a process of its own."""
    with TemporaryDirectory() as name:
        redis = provide_redis(Path(name), LocalSettings())
        await redis.start()
        try:
            found = [await measured(redis.address) for _ in range(rounds)]
        finally:
            await redis.stop()
    median = {name: statistics.median(one[name] for one in found) for name in found[0]}
    return {"streams": STREAMS, **median}
