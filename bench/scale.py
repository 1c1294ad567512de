"""What grows with what: more processes, more files in the model, readers beside the projector."""

import asyncio
import statistics
from collections.abc import Iterator
from itertools import count
from typing import Final

from bench.events import interleaved, registrations
from bench.load import Load
from bench.pace import paced
from bench.query_peers import STATUS_PATH
from bench.query_service import API_KEY, query_service
from bench.worked_off import projection
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.events import EventData
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

FEW_FILES: Final = 1_000
MANY_FILES: Final = 1_000_000
READS_PER_S: Final = 200
IDLE_S: Final = 4.0

_numbers = count(1)


def backlog() -> Iterator[EventData]:
    """The lives of 4,000 files, all at once."""
    return interleaved(4_000, 100, at_once=4_000)


async def new_topic(kafka: str) -> str:
    """A log of its own."""
    topic = Topic(f"bench.scale{next(_numbers)}", PARTITIONS, EVENTS.configs)
    await create_topics(KafkaSettings(bootstrap_servers=kafka), [topic])
    return topic.name


async def processes(kafka: str, redis_url: str, number: int) -> float:
    """Events per second of so many projectors of one group."""
    modules = ["milepost_projector"] * number
    async with projection(kafka, redis_url, await new_topic(kafka), *modules) as projectors:
        await projectors.work_off(backlog)
        return await projectors.work_off(backlog)


async def with_files(kafka: str, redis_url: str, files: int, rounds: int) -> float:
    """Events per second where the model holds so many files, a thousand of them at work."""
    async with projection(kafka, redis_url, await new_topic(kafka)) as projector:
        await projector.work_off(lambda: registrations(files, store="vs_resting"))
        await projector.published()
        rates = [
            await projector.work_off(lambda: interleaved(FEW_FILES, 200, at_once=FEW_FILES))
            for _ in range(rounds)
        ]
    return statistics.median(rates)


async def readers_beside(kafka: str, redis_url: str) -> dict[str, float]:
    """How long readers wait while the projector rests, and while it works a backlog off."""
    async with (
        projection(kafka, redis_url, await new_topic(kafka)) as projector,
        query_service(redis_url, projector.prefix) as service,
    ):
        await projector.work_off(backlog)
        load = Load("127.0.0.1", service.port, _paths(), {"X-API-Key": API_KEY})
        async with paced(load, READS_PER_S) as idle:
            await asyncio.sleep(IDLE_S)
        async with paced(load, READS_PER_S) as busy:
            await projector.work_off(backlog)
    return {"reader_idle_p99_ms": idle.p99_ms, "reader_busy_p99_ms": busy.p99_ms}


def _paths() -> tuple[str, ...]:
    return tuple(
        STATUS_PATH.format(
            organization_id="org_bench", store_id="vs_bench", file_id=f"file_{number:012x}"
        )
        for number in range(FEW_FILES)
    )
