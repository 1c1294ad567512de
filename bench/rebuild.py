"""How fast `milepost rebuild` fills, as a ratio of the live projection of the same log."""

import asyncio
import json
import os
import statistics
import sys
from collections import defaultdict
from typing import Any, Final

from bench.audit import MEASURED, Subject
from bench.events import publish
from bench.projector import Addresses, projected, running, servers
from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_schemas.topics import EVENTS, PARTITIONS, Topic

CORES: Final = os.cpu_count() or 1


async def run(rounds: int = 3) -> dict[str, Any]:
    """One process and all cores, for each load, against the live projector."""
    rates: dict[str, list[float]] = defaultdict(list)
    async with servers() as at:
        for load, make in MEASURED.items():
            topic = Topic(f"bench.{load}", PARTITIONS, EVENTS.configs)
            await create_topics(KafkaSettings(bootstrap_servers=at.kafka), [topic])
            total, _ = publish(at.kafka, topic.name, make())
            for _ in range(rounds):
                live, _ = await projected(at, topic.name, total)
                rates[load].append(live)
                one, all_cores = await _rebuild(at, topic.name, total)
                name = load.replace("projector", "rebuild")
                rates[name].append(one)
                rates[f"{name}_all_cores"].append(all_cores)
    median = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {}
    for load in MEASURED:
        name = load.replace("projector", "rebuild")
        ratios[f"{name}/live"] = median[name] / median[load]
        ratios[f"{name}_all_cores/live"] = median[f"{name}_all_cores"] / median[load]
    return {"cores": CORES, "rates": median, "ratios": ratios}


async def _rebuild(at: Addresses, topic: str, total: int) -> list[float]:
    """Beside a projector that rests: the rates of one process, and of one for each core."""
    rates: list[float] = []
    async with running(*at, topic) as (prefix, _):
        environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
            "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": at.kafka,
            "MILEPOST_REDIS_URL": at.redis_url,
            "MILEPOST_REDIS_PREFIX": prefix,
            "MILEPOST_EVENTS_TOPIC": topic,
            "MILEPOST_PROJECTOR_GROUP": prefix,
        }
        for generation, processes in ((1, 1), (2, CORES)):
            # A switch has the projector publish every status anew, which takes its time.
            await Subject(*at, topic, prefix).published(total, generation)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.rebuild_once", str(processes),
                env=environment, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await process.communicate()
            rates.append(json.loads(out)["events_per_s"])
    return rates
