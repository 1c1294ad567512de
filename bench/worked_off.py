"""A backlog that gathers while projectors stand still, and how long they take to work it off."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis

from bench.events import publish
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.events import EventData
from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS

POLL_S: Final = 0.02
SETTLED_S: Final = 3.0
"""How long an assignment must have stood before it is taken for the last one."""


class Projection:
    """Some projectors of one group on one topic, and the read model that they fill."""

    def __init__(self, kafka: str, redis_url: str, topic: str) -> None:
        self.prefix = f"bench{time.monotonic_ns()}"
        self.processes: list[asyncio.subprocess.Process] = []
        self._kafka = kafka
        self._redis_url = redis_url
        self._redis: Any = Redis.from_url(redis_url)
        self._topic = topic

    async def start(self, module: str = "milepost_projector") -> None:
        """Start one more projector, of the given module."""
        environment = os.environ | {  # noqa: TID251  a child's environment, not a setting
            "MILEPOST_KAFKA_BOOTSTRAP_SERVERS": self._kafka,
            "MILEPOST_REDIS_URL": self._redis_url,
            "MILEPOST_REDIS_PREFIX": self.prefix,
            "MILEPOST_EVENTS_TOPIC": self._topic,
            "MILEPOST_PROJECTOR_GROUP": self.prefix,
        }
        self.processes.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.DEVNULL
            )
        )

    async def is_open(self) -> None:
        """Return once every partition has an owner, whose assignment has settled."""
        while None in await self._stored():  # noqa: ASYNC110  other processes write them
            await asyncio.sleep(POLL_S)
        if len(self.processes) > 1:
            await asyncio.sleep(SETTLED_S)

    async def applied(self) -> int:
        """Records of the log that the read model has taken in."""
        return sum(Checkpoint.decode(value).next_offset for value in await self._stored() if value)

    async def work_off(self, facts: Callable[[], Iterator[EventData]]) -> float:
        """Events per second of a backlog of these facts, from the moment that work begins."""
        before = await self.applied()
        self._send(signal.SIGSTOP)
        total, _ = await asyncio.to_thread(publish, self._kafka, self._topic, facts())
        self._send(signal.SIGCONT)
        started = time.perf_counter()
        while await self.applied() < before + total:  # noqa: ASYNC110  as above
            await asyncio.sleep(POLL_S)
        return total / (time.perf_counter() - started)

    async def published(self) -> None:
        """Return once the status topic is complete: no earlier work is left then."""
        names = [Keys(self.prefix).partition(1, number).published for number in range(PARTITIONS)]
        total = await self.applied()
        while sum(map(int, filter(None, await self._redis.mget(names)))) < total:  # noqa: ASYNC110  as above
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            await process.wait()
        await self._redis.flushall()
        await self._redis.aclose()

    def _send(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)

    async def _stored(self) -> Collection[bytes | None]:
        names = [Keys(self.prefix).partition(1, number).checkpoint for number in range(PARTITIONS)]
        stored: list[bytes | None] = await self._redis.mget(names)
        return stored


@asynccontextmanager
async def projection(
    kafka: str, redis_url: str, topic: str, *modules: str
) -> AsyncIterator[Projection]:
    """Projectors of the given modules, with every partition open; they stop with the block."""
    made = Projection(kafka, redis_url, topic)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.stop)
        for module in modules or ("milepost_projector",):
            await made.start(module)
        await made.is_open()
        yield made
