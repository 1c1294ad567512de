"""How fast `milepost audit verify` is, as a ratio of a bare consumer."""

import asyncio
import json
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from bench.events import interleaved, publish
from bench.projector import LOADS, Addresses, bare, running, servers
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.events import EventData
from milepost_schemas.keys import Keys
from milepost_schemas.topics import DEAD_LETTER, EVENTS, PARTITIONS, STATUS, Topic

MEASURED: Final[dict[str, Callable[[], Iterator[EventData]]]] = {
    "projector": lambda: interleaved(4_000, 300, at_once=4_000),
    "projector_unique": LOADS["projector_unique"],
}
"""Files of 300 events each, so that what is measured lasts for some seconds; and every event of
another file, each with a status record."""
CORES: Final = os.cpu_count() or 1
POLL_S: Final = 0.1


@dataclass(frozen=True)
class Subject:
    """What is verified."""

    kafka: str
    redis_url: str
    topic: str
    prefix: str

    async def published(self, total: int, generation: int = 1) -> None:
        """Return once everything is applied and the status topic is complete."""
        redis: Any = Redis.from_url(self.redis_url)
        partitions = [Keys(self.prefix).partition(generation, at) for at in range(PARTITIONS)]
        names = [partition.published for partition in partitions]
        async with redis:
            while sum(map(int, filter(None, await redis.mget(names)))) < total:  # noqa: ASYNC110  another process writes them
                await asyncio.sleep(POLL_S)

    async def verified(self, processes: int) -> float:
        """Records per second of a verification in processes of its own."""
        environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
            "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "MILEPOST_REDIS_URL": self.redis_url,
            "MILEPOST_REDIS_PREFIX": self.prefix,
            "MILEPOST_EVENTS_TOPIC": self.topic,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.verify_once", str(processes),
            env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        rate: float = json.loads(out)["events_per_s"]
        return rate


async def run(rounds: int = 3) -> dict[str, Any]:
    """One process and all cores, for each load, against a bare consumer of the same topic."""
    median: dict[str, float] = {}
    for load, make in MEASURED.items():
        # Servers for each load: the status topic then holds this load's records and no others.
        async with servers() as (kafka, redis_url):
            rates = await _measured(load, make(), Addresses(kafka, redis_url), rounds)
        median |= {name: statistics.median(values) for name, values in rates.items()}
    ratios = {
        f"{load.replace('projector', 'verify')}/bare": median[load] / median[f"{load}_bare"]
        for load in MEASURED
    }
    return {"rates": median, "ratios": ratios}


async def _measured(
    load: str, events: Iterator[EventData], at: Addresses, rounds: int
) -> dict[str, list[float]]:
    kafka, redis_url = at
    topic = Topic(f"bench.{load}", PARTITIONS, EVENTS.configs)
    await create_topics(KafkaSettings(bootstrap_servers=kafka), [topic, STATUS, DEAD_LETTER])
    total, _ = publish(kafka, topic.name, events)
    rates: dict[str, list[float]] = defaultdict(list)
    async with running(kafka, redis_url, topic.name) as (prefix, _):
        subject = Subject(kafka, redis_url, topic.name, prefix)
        await subject.published(total)
        for _ in range(rounds):
            rates[load].append(await subject.verified(1))
            rates[f"{load}_all_cores"].append(await subject.verified(CORES))
            rates[f"{load}_bare"].append(await bare(kafka, topic.name, total))
    return rates
