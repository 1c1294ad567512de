"""How many status requests a second, as ratios of a bare server and of a naive route.

Each candidate is one process with one worker; the load is 64 connections, polling a thousand
files in turn.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from redis.asyncio import Redis

from bench.load import GENERATOR, Load, requests_per_s
from bench.query_peers import STATUS_PATH, STATUSES_PATH, naive_key
from milepost_local.ports import free_port
from milepost_local.providers import provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document, render_status
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS, partition_of

ORGANIZATION: Final = "org_bench"
STORE: Final = "vs_bench"
FILES: Final = 1_000
API_KEY: Final = "ak_bench"
GENERATION: Final = 1
TURNS: Final = 4
"""Turns of each candidate within a round."""

BATCH: Final = 500
BATCH_CONNECTIONS: Final = 8

START_WITHIN_S: Final = 30


def documents() -> list[Document]:
    """Files that are being processed."""
    return [
        Document(
            ORGANIZATION,
            STORE,
            f"file_{number:012d}",
            revision=7,
            status="processing",
            explicit_percent=50,
            current_step="embedding",
            started_at=1_750_000_000,
        )
        for number in range(FILES)
    ]


async def write(redis_url: str, prefix: str) -> None:
    """The read model of the files, and the naive route's hashes beside it."""
    redis: Any = Redis.from_url(redis_url)
    keys = Keys(prefix)
    places = [keys.partition(GENERATION, partition) for partition in range(PARTITIONS)]
    now_ms = time.time_ns() // 1_000_000
    async with redis, redis.pipeline(transaction=False) as pipeline:
        pipeline.set(keys.meta, Meta(GENERATION, PARTITIONS, MODEL_VERSION).encode())
        for place in places:
            pipeline.set(place.checkpoint, Checkpoint(7 * FILES, now_ms, 7 * FILES).encode())
        for document in documents():
            key = file_key(document.store_id, document.file_id)
            place = places[partition_of(key.encode(), PARTITIONS)]
            pipeline.set(place.file(key), encode_record(document))
            fields = {k: v or "" for k, v in json.loads(render_status(document)).items()}
            name = naive_key(document.store_id, document.file_id)
            pipeline.hset(name, mapping={"organization_id": ORGANIZATION, **fields})
        await pipeline.execute()


def write_api_keys(path: Path) -> None:
    """One key that may read."""
    entry = {
        "key_id": "bench",
        "sha256": sha256(API_KEY.encode()).hexdigest(),
        "organization_id": ORGANIZATION,
        "scopes": ["files:read"],
        "expires_at": None,
    }
    path.write_text(json.dumps({"keys": [entry]}))


@asynccontextmanager
async def candidates(redis_url: str, directory: Path) -> AsyncIterator[dict[str, tuple[int, int]]]:
    """All of them running; name to process id and port."""
    prefix = f"bench{time.monotonic_ns()}"
    keys_file = directory / "api-keys.json"
    write_api_keys(keys_file)
    await write(redis_url, prefix)
    body = render_status(documents()[0]).decode()
    ports = {name: free_port() for name in ("bare", "status", "naive")}
    environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
        "MILEPOST_REDIS_URL": redis_url,
        "MILEPOST_REDIS_PREFIX": prefix,
        "MILEPOST_API_KEYS_FILE": str(keys_file),
        "MILEPOST_HTTP_PORT": str(ports["status"]),
    }
    commands = {
        "bare": ["bench.query_peers", "bare", str(ports["bare"]), body],
        "status": ["milepost_query"],
        "naive": ["bench.query_peers", "naive", str(ports["naive"]), redis_url, str(keys_file)],
    }
    processes = {
        name: await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        for name, command in commands.items()
    }
    try:
        for port in ports.values():
            await listening(port)
        yield {name: (process.pid, ports[name]) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
            await process.wait()


async def listening(port: int) -> None:
    """Return once something listens on the port."""
    async with asyncio.timeout(START_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _round(load: Load, ports: dict[str, int]) -> dict[str, float]:
    """Mean rates over short turns, so that what else the machine does falls on all alike."""
    turns: dict[str, list[float]] = {candidate: [] for candidate in ports}
    for _ in range(TURNS):
        for candidate, port in ports.items():
            turns[candidate].append(await requests_per_s(replace(load, port=port)))
    return {candidate: statistics.fmean(found) for candidate, found in turns.items()}


def _batches(load: Load) -> Load:
    """The same files, many in each request."""
    file_ids = [document.file_id for document in documents()]
    parts = [file_ids[start : start + BATCH] for start in range(0, FILES, BATCH)]
    path = STATUSES_PATH.format(organization_id=ORGANIZATION, store_id=STORE)
    return replace(
        load,
        paths=(path,) * len(parts),
        bodies=tuple(json.dumps({"file_ids": part}) for part in parts),
        connections=BATCH_CONNECTIONS,
    )


async def run(rounds: int = 3) -> dict[str, Any]:
    """All candidates in turn, in each round."""
    paths = tuple(
        STATUS_PATH.format(organization_id=ORGANIZATION, store_id=STORE, file_id=document.file_id)
        for document in documents()
    )
    load = Load("127.0.0.1", 0, paths, {"X-API-Key": API_KEY})
    rates: dict[str, list[float]] = {}
    with TemporaryDirectory() as name:
        redis = provide_redis(Path(name), LocalSettings())
        await redis.start()
        try:
            async with candidates(redis.address, Path(name)) as running:
                ports = {candidate: port for candidate, (_, port) in running.items()}
                for _ in range(rounds):
                    for candidate, rate in (await _round(load, ports)).items():
                        rates.setdefault(candidate, []).append(rate)
                    batches = await requests_per_s(replace(_batches(load), port=ports["status"]))
                    rates.setdefault("batch_ids", []).append(batches * BATCH)
                resident_mb = psutil.Process(running["status"][0]).memory_info().rss / 1e6
        finally:
            await redis.stop()
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "generator": GENERATOR,
        "connections": load.connections,
        "rates": median,
        "resident_mb": resident_mb,
        "ratios": {
            "status/bare": median["status"] / median["bare"],
            "status/naive": median["status"] / median["naive"],
            "batch500/single": median["batch_ids"] / median["status"],
        },
    }
