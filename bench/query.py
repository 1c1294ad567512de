"""How many status requests a second, as ratios of a bare server and of a naive route.

Each candidate is one process with one worker; the load is 64 connections, polling a thousand
files in turn.
"""

import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from bench import query_growth, streams
from bench.load import GENERATOR, Load, requests_per_s
from bench.query_peers import STATUSES_PATH, naive_key
from bench.query_service import (
    API_KEY,
    ORGANIZATION,
    Service,
    query_service,
    served,
    write_api_keys,
)
from bench.stored_files import STORE, client, documents, status_path, store
from milepost_local.providers import provide_redis
from milepost_local.settings import LocalSettings
from milepost_schemas.document import render_status

FILES: Final = 1_000
TURNS: Final = 4
"""Turns of each candidate within a round."""

BATCH: Final = 500
BATCH_CONNECTIONS: Final = 8


async def write_hashes(redis: Any) -> None:  # noqa: ANN401  redis-py's own type knows no pipeline
    """What the naive route reads."""
    async with redis.pipeline(transaction=False) as pipeline:
        for document in documents(FILES):
            fields = {k: v or "" for k, v in json.loads(render_status(document)).items()}
            name = naive_key(document.store_id, document.file_id)
            pipeline.hset(name, mapping={"organization_id": ORGANIZATION, **fields})
        await pipeline.execute()


@asynccontextmanager
async def candidates(redis_url: str, directory: Path) -> AsyncIterator[dict[str, Service]]:
    """All of them running."""
    prefix = f"bench{time.monotonic_ns()}"
    keys_file = directory / "api-keys.json"
    write_api_keys(keys_file)
    async with client(redis_url) as redis:
        await store(redis, prefix, documents(FILES))
        await write_hashes(redis)
    body = render_status(next(documents(1))).decode().replace("{", "{{").replace("}", "}}")
    peer = "bench.query_peers"
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        yield {
            "bare": await enter(served(peer, "bare", "{port}", body)),
            "status": await enter(query_service(redis_url, prefix)),
            "naive": await enter(served(peer, "naive", "{port}", redis_url, str(keys_file))),
        }


async def _round(loads: Mapping[str, Load]) -> dict[str, float]:
    """Mean rates over short turns, so that what else the machine does falls on all alike."""
    turns: dict[str, list[float]] = {candidate: [] for candidate in loads}
    for _ in range(TURNS):
        for candidate, load in loads.items():
            turns[candidate].append(await requests_per_s(load))
    return {candidate: statistics.fmean(found) for candidate, found in turns.items()}


def _batches(load: Load) -> Load:
    """The same files, many in each request."""
    file_ids = [document.file_id for document in documents(FILES)]
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
    load = Load("127.0.0.1", 0, tuple(map(status_path, documents(FILES))), {"X-API-Key": API_KEY})
    found: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as name:
        redis = provide_redis(Path(name), LocalSettings())
        await redis.start()
        try:
            async with candidates(redis.address, Path(name)) as running:
                for _ in range(rounds):
                    _add(found, await _of_candidates(load, running))
                resident_mb = psutil.Process(running["status"].pid).memory_info().rss / 1e6
            for _ in range(rounds):
                _add(found, await query_growth.workers(redis.address))
            for growth, rates in (await query_growth.by_files(redis.address, rounds)).items():
                found[growth] += rates
            for _ in range(rounds):
                _add(found, await streams.measured(redis.address))
        finally:
            await redis.stop()
    median = {name: statistics.median(values) for name, values in found.items()}
    return {
        "generator": GENERATOR,
        "connections": load.connections,
        "cores": os.cpu_count(),
        "rates": median,
        "resident_mb": resident_mb,
        "streams": streams.STREAMS,
        "ratios": _ratios(median),
    }


async def _of_candidates(load: Load, running: Mapping[str, Service]) -> dict[str, float]:
    loads = {name: replace(load, port=service.port) for name, service in running.items()}
    rates = await _round(loads)
    batches = await requests_per_s(_batches(loads["status"]))
    half = {name: loads[name] for name in ("bare", "status")}
    delays = await query_growth.at_half_load(half, rates)
    return {
        **rates,
        "batch_ids": batches * BATCH,
        "bare_p99_ms": delays["bare"],
        "status_p99_ms": delays["status"],
    }


def _add(found: dict[str, list[float]], rates: Mapping[str, float]) -> None:
    for name, rate in rates.items():
        found[name].append(rate)


def _ratios(median: Mapping[str, float]) -> dict[str, float]:
    return {
        "status/bare": median["status"] / median["bare"],
        "status/naive": median["status"] / median["naive"],
        "batch500/single": median["batch_ids"] / median["status"],
        "two_workers/one": median["two_workers"] / median["one_worker"],
        "p99_half_load/bare": median["status_p99_ms"] / median["bare_p99_ms"],
        "files_1m/files_1k": median["files_1k"] / median["files_1m"],
        "list20/status": median["files_1k"] / median["list20"],
    }
