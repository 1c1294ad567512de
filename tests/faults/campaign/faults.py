"""What can happen. Each fault is over when its context is left."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random

from tests.faults.campaign.arena import Arena

SESSION_S = 12.0
"""Longer than the group waits for a member."""

COURSE = ("Filling", "Comparing", "is closed", "is live", "Removing")
"""What a rebuild says when it begins each part of its work."""

Inject = Callable[[Arena, Random], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """Entering `inject` brings the fault; what is to recover from it can begin then."""

    name: str
    inject: Inject
    rereads: bool = False
    """Whether the log is read again after it, so that losses before it would heal."""
    is_long: bool = False


@asynccontextmanager
async def kill_projector(arena: Arena, lot: Random) -> AsyncIterator[None]:
    projector = arena.any_projector(lot)
    projector.kill()
    projector.launch()
    yield


@asynccontextmanager
async def freeze_projector(arena: Arena, lot: Random) -> AsyncIterator[None]:
    projector = arena.any_projector(lot)
    arena.send(projector, signal.SIGSTOP)
    await asyncio.sleep(lot.uniform(0.2, 3.0))
    arena.send(projector, signal.SIGCONT)
    yield


@asynccontextmanager
async def wake_overtaken_projector(arena: Arena, lot: Random) -> AsyncIterator[None]:
    """Frozen until others have taken over, and then awake again."""
    projector, successor = arena.any_projector(lot), arena.add_projector()
    arena.send(projector, signal.SIGSTOP)
    try:
        yield
    finally:
        arena.send(projector, signal.SIGCONT)
    await arena.recovered()
    await arena.remove_projector(successor, at_once=False)


@asynccontextmanager
async def scale_up_and_down(arena: Arena, lot: Random) -> AsyncIterator[None]:
    """One projector, three, and one again: stopped in order or killed."""
    added = [arena.add_projector() for _ in range(2)]
    yield
    for projector in added:
        await arena.remove_projector(projector, at_once=lot.random() < 0.3)


@asynccontextmanager
async def kill_redis(arena: Arena, lot: Random) -> AsyncIterator[None]:
    arena.stand.redis.kill()
    await asyncio.sleep(lot.uniform(0.0, 2.0))
    await arena.stand.redis.start()
    yield


@asynccontextmanager
async def wipe_redis(arena: Arena, lot: Random) -> AsyncIterator[None]:  # noqa: ARG001  as the others
    async with arena.stand.world.redis() as redis:
        await redis.flushall()
    yield


@asynccontextmanager
async def put_back_older_redis(arena: Arena, lot: Random) -> AsyncIterator[None]:  # noqa: ARG001  as the others
    if not arena.kept_data.exists():
        arena.keep_redis()
        await arena.stand.has_moved_on()
    await arena.put_back_redis()
    yield


@asynccontextmanager
async def hang_redis(arena: Arena, lot: Random) -> AsyncIterator[None]:
    async with arena.stand.world.redis() as redis:
        await redis.client_pause(lot.randrange(300, 6_000), all=True)
    yield


@asynccontextmanager
async def fill_redis(arena: Arena, lot: Random) -> AsyncIterator[None]:
    """No memory for a while."""
    async with arena.stand.world.redis() as redis:
        await redis.config_set("maxmemory", 1)
        await asyncio.sleep(lot.uniform(0.2, 2.0))
        await redis.config_set("maxmemory", 0)
    yield


@asynccontextmanager
async def kill_broker(arena: Arena, lot: Random) -> AsyncIterator[None]:
    arena.stand.kafka.kill()
    await asyncio.sleep(lot.uniform(0.0, 2.0))
    await arena.stand.kafka.start()
    yield


@asynccontextmanager
async def rebuild(arena: Arena, lot: Random) -> AsyncIterator[None]:  # noqa: ARG001  as the others
    """A rebuild in the middle of everything, from beginning to end."""
    rebuild = arena.launch_rebuild()
    yield
    await arena.finish(rebuild)


@asynccontextmanager
async def kill_rebuild(arena: Arena, lot: Random) -> AsyncIterator[None]:
    """Killed somewhere on its way, and gone on with."""
    rebuild = arena.launch_rebuild()
    await arena.has_come_to(lot.choice(COURSE), rebuild)
    rebuild.kill()
    yield
    await arena.finish(rebuild)


@asynccontextmanager
async def freeze_rebuild(arena: Arena, lot: Random) -> AsyncIterator[None]:
    """Frozen somewhere on its way, until the projectors have gone on without it."""
    rebuild = arena.launch_rebuild()
    await arena.has_come_to(lot.choice(COURSE), rebuild)
    arena.send(rebuild, signal.SIGSTOP)
    try:
        yield
    finally:
        arena.send(rebuild, signal.SIGCONT)
    await arena.finish(rebuild)


FAULTS = (
    Fault("kill projector", kill_projector),
    Fault("freeze projector", freeze_projector),
    Fault("wake overtaken projector", wake_overtaken_projector, is_long=True),
    Fault("scale 1-3-1 projectors", scale_up_and_down),
    Fault("kill Redis", kill_redis),
    Fault("wipe Redis", wipe_redis, rereads=True),
    Fault("put back older Redis", put_back_older_redis, rereads=True),
    Fault("hang Redis", hang_redis),
    Fault("fill Redis", fill_redis),
    Fault("kill broker", kill_broker),
    Fault("rebuild", rebuild, rereads=True, is_long=True),
    Fault("kill rebuild", kill_rebuild, rereads=True, is_long=True),
    Fault("freeze rebuild", freeze_rebuild, rereads=True, is_long=True),
)
