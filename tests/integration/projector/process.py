"""A projector as a process, as those see it who run it: over its own HTTP."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from milepost_local.process import Process
from tests.fixtures.running_projector import World

WITHIN_S = 60


class Samples:
    """What `/metrics` said at one moment."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self._samples = [sample for family in families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Of all series of the name that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@dataclass(frozen=True)
class ProjectorProcess:
    """A projector that answers."""

    http: httpx.AsyncClient

    async def samples(self) -> Samples:
        return Samples((await self.http.get("/metrics")).text)

    async def until_readiness(self, claim: Callable[[int, Any], bool]) -> None:
        """Return once the claim holds of the code and the body of `/readyz`."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                answer = await self.http.get("/readyz")
                if claim(answer.status_code, answer.json()):
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def projector_process(
    world: World, log: Path, **settings: object
) -> AsyncIterator[ProjectorProcess]:
    """A projector at work in the world; it is killed when the block is left."""
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": world.kafka.bootstrap_servers,
        "REDIS_URL": world.redis_url,
        "REDIS_PREFIX": world.name,
        "EVENTS_TOPIC": world.events,
        "STATUS_TOPIC": world.statuses,
        "DEAD_LETTER_TOPIC": world.dead_letters,
        "PROJECTOR_GROUP": world.name,
    } | {name.upper(): str(value) for name, value in settings.items()}
    environment = {f"MILEPOST_{name}": value for name, value in given.items()}
    command = [sys.executable, "-m", "milepost_projector"]
    process = Process("projector", command, log=log, environment=environment)
    process.launch()
    try:
        async with httpx.AsyncClient(base_url=await _address(log), timeout=10) as http:
            yield ProjectorProcess(http)
    finally:
        process.kill()


async def _address(log: Path) -> str:
    """Where the projector listens, once it does."""
    async with asyncio.timeout(WITHIN_S):
        while (address := _logged_address(log)) is None:  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.02)
    return address


def _logged_address(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "listening":
            return f"http://{event['host']}:{event['port']}"
    return None
