"""What a read costs as files, workers and requests become more."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from bench.load import Load, requests_per_s
from bench.pace import paced
from bench.query_service import API_KEY, ORGANIZATION, query_service
from bench.stored_files import STORE, client, documents, status_path, store

FEW_FILES: Final = 1_000
MANY_FILES: Final = 1_000_000
LISTED_FILES: Final = 100_000
LIST_PATH: Final = f"/v1/organizations/{ORGANIZATION}/stores/{STORE}/files?limit=20"
TURNS: Final = 3
PACED_S: Final = 4.0


def polling(port: int, files: int) -> Load:
    """A thousand files, evenly out of so many."""
    every = files // FEW_FILES
    paths = tuple(status_path(file) for file in islice(documents(files), 0, None, every))
    return Load("127.0.0.1", port, paths, {"X-API-Key": API_KEY})


async def by_files(redis_url: str, rounds: int) -> dict[str, list[float]]:
    """Status reads per second beside a thousand and a million files; lists of 100,000."""
    rates: dict[str, list[float]] = {"files_1k": [], "files_1m": [], "list20": []}
    prefix = f"bench{time.monotonic_ns()}"
    async with client(redis_url) as redis:
        for name, files in (("1k", FEW_FILES), ("1m", MANY_FILES), ("list", LISTED_FILES)):
            await store(redis, prefix + name, documents(files))
    async with (
        query_service(redis_url, f"{prefix}1k") as few,
        query_service(redis_url, f"{prefix}1m") as many,
        query_service(redis_url, f"{prefix}list") as listed,
    ):
        loads = {
            "files_1k": polling(few.port, FEW_FILES),
            "files_1m": polling(many.port, MANY_FILES),
            "list20": replace(polling(listed.port, LISTED_FILES), paths=(LIST_PATH,)),
        }
        for _ in range(rounds * TURNS):
            for name, load in loads.items():
                rates[name].append(await requests_per_s(load))
    return rates


async def workers(redis_url: str) -> dict[str, float]:
    """Status reads per second of one process and of two, each with a load of its own."""
    prefix = f"bench{time.monotonic_ns()}"
    async with client(redis_url) as redis:
        await store(redis, prefix, documents(FEW_FILES))
    async with (
        query_service(redis_url, prefix) as first,
        query_service(redis_url, prefix) as second,
    ):
        one = await requests_per_s(polling(first.port, FEW_FILES))
        both = await asyncio.gather(
            *(requests_per_s(polling(each.port, FEW_FILES)) for each in (first, second))
        )
    return {"one_worker": one, "two_workers": sum(both)}


async def at_half_load(loads: Mapping[str, Load], rates: Mapping[str, float]) -> dict[str, float]:
    """How long answers take in ms, 99 of 100, at half of what the slower one can do."""
    per_s = int(min(rates[name] for name in loads) / 2)
    delays: dict[str, float] = {}
    for name, load in loads.items():
        async with paced(load, per_s) as pace:
            await asyncio.sleep(PACED_S)
        delays[name] = pace.p99_ms
    return delays
