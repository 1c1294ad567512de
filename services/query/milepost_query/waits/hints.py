"""Hears which files have changed: one subscription to each primary, while anybody wants to know."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from milepost_primaries.primaries import Primaries
from milepost_primaries.url import RedisUrl
from milepost_query.waits.subscription import CONNECT_TIMEOUT_S, Listener, Subscription

CHECK_EVERY_S: Final = 1.0
"""Between two looks at what is lost; each sends a ping, which a living primary answers."""

_log = structlog.get_logger()


@asynccontextmanager
async def connect_hints(url: str) -> AsyncIterator["Hints"]:
    """A way to the primaries of its own: a subscribed connection reads nothing else."""
    primaries = Primaries(RedisUrl.parse(url), _client, answers_within_s=CONNECT_TIMEOUT_S)
    try:
        yield Hints(primaries)
    finally:
        await primaries.aclose()


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


class Hints:
    """Keeps the wanted channels subscribed, wherever they are; without any there is no connection.

    What is lost is subscribed again at the next check.
    """

    def __init__(self, primaries: Primaries) -> None:
        self._primaries = primaries
        self._wanted: Set[str] = frozenset()
        self._changed = asyncio.Event()
        self._subscriptions: dict[Redis, Subscription] = {}
        self._is_lost = False

    @property
    def wanted(self) -> Set[str]:
        return self._wanted

    @property
    def heard(self) -> Set[str]:
        """Those of the wanted channels whose hints come in now."""
        return frozenset().union(*(each.heard for each in self._subscriptions.values()))

    def want(self, channels: Set[str]) -> None:
        """Hear these channels from now on, and no others."""
        if channels != self._wanted:
            self._wanted = frozenset(channels)
            self._changed.set()

    async def run(self, listener: Listener) -> None:
        """Listens until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._arrange(listener, tasks)
                except (RedisError, OSError) as error:
                    self._report(error)
                try:
                    async with asyncio.timeout(CHECK_EVERY_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
                self._changed.clear()

    async def _arrange(self, listener: Listener, tasks: asyncio.TaskGroup) -> None:
        by_primary: dict[Redis, set[str]] = defaultdict(set)
        for channel in self._wanted:
            by_primary[await self._primaries.of(channel)].add(channel)
        for redis in self._subscriptions.keys() - by_primary.keys():
            self._subscriptions.pop(redis).end()
        for redis, channels in by_primary.items():
            if redis not in self._subscriptions:
                subscription = Subscription(redis, listener)
                self._subscriptions[redis] = subscription
                subscription.task = tasks.create_task(self._listen(redis, subscription))
            await self._subscriptions[redis].want(channels)

    async def _listen(self, redis: Redis, subscription: Subscription) -> None:
        try:
            await subscription.connect()
            self._report(None)
            await subscription.listen()
        except (RedisError, OSError) as error:
            self._report(error)
            if self._subscriptions.get(redis) is subscription:
                del self._subscriptions[redis]
            self._primaries.forget(redis)
        finally:
            await subscription.disconnect()

    def _report(self, error: Exception | None) -> None:
        """Logs when hints are lost and when they are back, not at every try."""
        if self._is_lost != (error is not None):
            self._is_lost = error is not None
            if error is None:
                _log.info("hints_heard_again")
            else:
                _log.warning("hints_lost", error=type(error).__name__)
