"""Keeps two rebuilds from working at once, as far as a key with a time to live can.

It is a courtesy between people: what protects the read model is that a rebuild changes the metadata
only while they name it as their owner.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from milepost.errors import MilepostError
from milepost_projector.read_model import ReadModelUnavailableError, RedisReadModel

TIME_TO_LIVE_S: Final = 6
RENEW_INTERVAL_S: Final = 1
POLL_INTERVAL_S: Final = 0.2

_RENEW: Final = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_RELEASE: Final = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


class AlreadyRunningError(MilepostError):
    """Another rebuild is alive."""

    def __init__(self) -> None:
        super().__init__("another rebuild is running; there can be one at a time")


class RebuildLock:
    """Held while the block lasts, by `owner`."""

    def __init__(self, read_model: RedisReadModel) -> None:
        self.owner = uuid4().hex
        self._read_model = read_model
        self._key = read_model.keys.rebuild

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Take the lock; one whose owner has died is waited for.

        Raises:
            AlreadyRunningError: its owner renews it.
        """
        await self._take()
        renewing = asyncio.create_task(self._renew_on())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await self._read_model.call("EVAL", _RELEASE, 1, self._key, self.owner)

    async def _take(self) -> None:
        least_ms = TIME_TO_LIVE_S * 1000
        while not await self._renew():
            left_ms = await self._read_model.call("PTTL", self._key)
            if left_ms > least_ms:
                raise AlreadyRunningError
            least_ms = left_ms
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _renew(self) -> bool:
        milliseconds = TIME_TO_LIVE_S * 1000
        key = self._key
        return bool(await self._read_model.call("EVAL", _RENEW, 1, key, self.owner, milliseconds))

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(RENEW_INTERVAL_S)
            try:
                await self._renew()
            except ReadModelUnavailableError:
                continue
