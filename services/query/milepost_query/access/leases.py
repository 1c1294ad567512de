"""Leases from the buckets in Redis that all processes share; the read model is not touched."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import starmap
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from milepost_primaries.primaries import Primaries
from milepost_primaries.url import RedisUrl
from milepost_query.access.allowance import Allowance, Lease

ANSWERS_WITHIN_S: Final = 0.5
MAX_AT_ONCE: Final = 100
"""Leases of one round trip: each costs Redis some ten microseconds, and readers wait for it."""

# EVAL with the whole script, not EVALSHA: nobody has to load it, and it is short. The time is
# Redis's own: processes whose clocks differ still fill one bucket at one rate.
_SCRIPT: Final = """\
#!lua
local quota, rate, lease, owed = unpack(ARGV)
quota, rate, lease, owed = tonumber(quota), tonumber(rate), tonumber(lease), tonumber(owed)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(bucket[1]) or quota
local at = tonumber(bucket[2]) or now
level = math.min(quota, level + math.max(0, now - at) * rate)
level = math.max(-quota, level - owed)
local granted = math.max(0, math.min(lease, level))
level = level - granted
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((quota - level) / rate * 1000) + 1000)
return {tostring(granted), tostring(level)}
"""

_log = structlog.get_logger()


class Leases:
    """Takes leases for allowances that run low, many in one round trip.

    A Redis that is away lets nobody down: each process then fills the buckets by itself, so that a
    caller gets its rate from each of them.
    """

    def __init__(self, primaries: Primaries, prefix: str, clock: Callable[[], float]) -> None:
        """`prefix` begins every key; `clock` is that of the allowances."""
        self.taken = {"shared": 0, "alone": 0}
        """How many leases came from Redis, and how many had to do without it."""
        self._primaries = primaries
        self._prefix = prefix
        self._clock = clock
        self._wanted: dict[Allowance, str] = {}
        self._is_wanted = asyncio.Event()
        self._is_shared = True

    def want(self, allowance: Allowance, caller: str) -> None:
        """Takes a lease for the caller's allowance as soon as possible."""
        self._wanted[allowance] = self._key(caller, allowance.budget.name)
        self._is_wanted.set()

    async def watch(self) -> None:
        """Takes what is wanted, until cancelled."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            wanted, self._wanted = [*self._wanted.items()], {}
            for start in range(0, len(wanted), MAX_AT_ONCE):
                await self._take(dict(wanted[start : start + MAX_AT_ONCE]))

    async def _take(self, wanted: Mapping[Allowance, str]) -> None:
        found: dict[Allowance, Lease] = {}
        try:
            by_primary = await self._by_primary(wanted)
        except (RedisError, OSError) as error:
            self._report(error)
        else:
            for leases in await asyncio.gather(*starmap(self._ask, by_primary.items())):
                found |= leases
        now = self._clock()
        for allowance in wanted:
            if (lease := found.get(allowance)) is not None:
                allowance.settle(lease, now)
            else:
                allowance.settle_alone(now)
        self.taken["shared"] += len(found)
        self.taken["alone"] += len(wanted) - len(found)

    async def _by_primary(
        self, wanted: Mapping[Allowance, str]
    ) -> Mapping[Redis, dict[Allowance, str]]:
        found: dict[Redis, dict[Allowance, str]] = defaultdict(dict)
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            for allowance, key in wanted.items():
                found[await self._primaries.of(key)][allowance] = key
        return found

    async def _ask(self, redis: Redis, keys: Mapping[Allowance, str]) -> dict[Allowance, Lease]:
        """What one primary gives, nothing if it is away."""
        pipeline: Any = redis.pipeline(transaction=False)
        for allowance, key in keys.items():
            budget = allowance.budget
            bucket = (budget.quota, budget.rate_per_s, budget.lease, allowance.pay())
            pipeline.execute_command("EVAL", _SCRIPT, 1, key, *bucket)
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                answers = await pipeline.execute()
        except (RedisError, OSError) as error:
            self._primaries.forget(redis)
            self._report(error)
            return {}
        self._report(None)
        return {
            allowance: Lease(*map(float, answer))
            for allowance, answer in zip(keys, answers, strict=True)
        }

    def _key(self, caller: str, budget: str) -> str:
        """With a hash tag of its own, and no name that belongs to the read model."""
        name = sha256(caller.encode()).hexdigest()[:32]
        return f"{self._prefix}-limits:{{{name}}}:{budget}"

    def _report(self, error: Exception | None) -> None:
        """Logs when limits are no longer shared and when they are again."""
        if (error is None) != self._is_shared:
            self._is_shared = error is None
            if error is None:
                _log.info("limits_shared_again")
            else:
                _log.warning("limits_not_shared", error=type(error).__name__)


@asynccontextmanager
async def connect_leases(
    url: str, prefix: str, clock: Callable[[], float]
) -> AsyncIterator[Leases]:
    """Connections of its own: readers do not wait behind leases."""
    primaries = Primaries(RedisUrl.parse(url), _client, answers_within_s=ANSWERS_WITHIN_S)
    try:
        yield Leases(primaries, prefix, clock)
    finally:
        await primaries.aclose()


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=ANSWERS_WITHIN_S,
        socket_timeout=ANSWERS_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
