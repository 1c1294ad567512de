"""Not now: Redis or Kafka is away, so nothing is given up and everything is tried again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

from milepost.errors import KafkaUnavailableError, PublishError
from milepost_projector.read_model import ReadModelUnavailableError

T = TypeVar("T")

RETRY_INTERVAL_S: Final = 0.2
WARN_EVERY: Final = 25
"""Tries between two warnings about the same outage."""

NOT_NOW: Final = (ReadModelUnavailableError, KafkaUnavailableError, PublishError)
"""What the same call may not meet when it is made again later."""

Report = Callable[[Exception], None]
"""Is told of every failure after which something is tried again."""

log = structlog.get_logger()


async def persevere(call: Callable[[], Awaitable[T]], report: Report) -> T:
    """Repeat a call until Redis or Kafka is back; the caller holds everything meanwhile."""
    tries = 0
    while True:
        try:
            return await call()
        except NOT_NOW as error:
            report(error)
            if tries % WARN_EVERY == 0:
                log.warning("not_now", reason=str(error), tries=tries + 1)
        tries += 1
        await asyncio.sleep(RETRY_INTERVAL_S)


async def unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work comes to, None where the order to stop comes first."""
    working, told = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([working, told], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        told.cancel()
        await asyncio.wait([working, told])


async def repeat(work: Callable[[], Awaitable[None]], interval_s: float, report: Report) -> None:
    """Do the work at intervals, for ever; while Kafka is away it comes to nothing."""
    while True:
        try:
            await work()
        except KafkaUnavailableError as error:
            report(error)
            log.warning("not_now", reason=str(error))
        await asyncio.sleep(interval_s)


async def pause(stopping: asyncio.Event, seconds: float = RETRY_INTERVAL_S) -> None:
    """Wait, but no longer than until told to stop."""
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()
