"""What one tenant's flood does to another: its answers' delays, alone and beside the flood.

One process with the limits that are set by default. The quiet tenant asks a hundred times a second;
the other one asks as fast as it can on 64 connections, with one key.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from bench.load import Load
from bench.pace import paced
from bench.query_service import API_KEY, ORGANIZATION, served, write_api_keys
from bench.stored_files import client, documents, status_path, store
from milepost_local.providers import provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.document import Document

FILES: Final = 200
ASKED_PER_S: Final = 100
MEASURED_S: Final = 4.0
FLOODER: Final = "org_flood"
FLOODING_KEY: Final = "ak_flood"


async def run(rounds: int = 3) -> dict[str, Any]:
    """The quiet tenant alone and beside the flood, in each round."""
    alone: list[float] = []
    flooded: list[float] = []
    floods: list[Counter[int]] = []
    with TemporaryDirectory() as name:
        redis = provide_redis(Path(name), LocalSettings())
        await redis.start()
        try:
            async with _service(redis.address, Path(name)) as port:
                for _ in range(rounds):
                    alone.append(await _quiet_p99_ms(port))
                    async with _flooded(port) as flood:
                        flooded.append(await _quiet_p99_ms(port))
                    floods.append(flood)
        finally:
            await redis.stop()
    of_flood: Counter[int] = sum(floods, Counter())
    p99_ms = {"alone": statistics.median(alone), "flooded": statistics.median(flooded)}
    return {
        "p99_ms": p99_ms,
        "flood_per_s": {
            str(status): count / MEASURED_S / rounds for status, count in sorted(of_flood.items())
        },
        "ratios": {"flooded/alone": p99_ms["flooded"] / p99_ms["alone"]},
    }


def _files(organization_id: str) -> Iterator[Document]:
    for document in documents(FILES, store_id=f"vs_{organization_id}"):
        document.organization_id = organization_id
        yield document


@asynccontextmanager
async def _service(redis_url: str, directory: Path) -> AsyncIterator[int]:
    """The port of a service that both tenants have keys for."""
    prefix = "flood"
    async with client(redis_url) as redis:
        for tenant in (ORGANIZATION, FLOODER):
            await store(redis, prefix, _files(tenant))
    keys_file = directory / "api-keys.json"
    write_api_keys(keys_file, {API_KEY: ORGANIZATION, FLOODING_KEY: FLOODER})
    environment = {
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_API_KEYS_FILE": str(keys_file),
    }
    async with served("milepost_query", environment=environment) as service:
        yield service.port


def _load(port: int, organization_id: str, key: str) -> Load:
    paths = tuple(status_path(document) for document in _files(organization_id))
    return Load("127.0.0.1", port, paths, {"X-API-Key": key}, measured_s=MEASURED_S)


async def _quiet_p99_ms(port: int) -> float:
    async with paced(_load(port, ORGANIZATION, API_KEY), ASKED_PER_S) as pace:
        await asyncio.sleep(MEASURED_S)
    return pace.p99_ms


@asynccontextmanager
async def _flooded(port: int) -> AsyncIterator[Counter[int]]:
    """The answers that the flood got, by status, once the block has ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.flood",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    answers: Counter[int] = Counter()
    load = json.dumps(asdict(_load(port, FLOODER, FLOODING_KEY))).encode()
    flooding = asyncio.create_task(process.communicate(load))
    yield answers
    out, _ = await flooding
    answers.update({int(status): count for status, count in json.loads(out).items()})


async def _flood(load: Load) -> Counter[str]:
    """Asks without a pause for as long as is measured, whatever is answered."""
    answers: Counter[str] = Counter()
    requests, ends_at = load.requests(), time.perf_counter() + load.measured_s
    async with asyncio.TaskGroup() as tasks:
        for _ in range(load.connections):
            tasks.create_task(_ask_on(load, requests, answers, ends_at=ends_at))
    return answers


async def _ask_on(
    load: Load, requests: Iterator[bytes], answers: Counter[str], *, ends_at: float
) -> None:
    reader, writer = await asyncio.open_connection(load.host, load.port)
    while time.perf_counter() < ends_at:
        writer.write(next(requests))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head[head.index(b"content-length: ") + 16 :].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        answers[head[9:12].decode()] += 1
    writer.close()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_flood(Load(**json.load(sys.stdin))))))
