"""Reads keys of many hash tags at once, wherever they are."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from milepost_primaries.primaries import Primaries

UNREACHABLE: Final = b"unreachable"
"""Stands for the value of a key whose primary does not answer; no key holds this."""

_TRIES: Final = 2

Values = dict[str, bytes | None]


class ScatteredReads:
    """Reads from the primaries of a cluster or behind sentinels.

    Values of keys with one hash tag are of one point in time. On a cluster the first key is read
    after all the others, so what it says was true when the others were read. A primary that has
    gone is looked for once; the others' keys are answered meanwhile.
    """

    def __init__(self, primaries: Primaries, *, answers_within_s: float) -> None:
        """`answers_within_s` bounds the wait for one primary."""
        self._primaries = primaries
        self._answers_within_s = answers_within_s

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values, `UNREACHABLE` for those that cannot be had.

        Raises:
            RedisError, OSError: the first key cannot be had, or nobody says where the keys are.
        """
        first, *others = keys
        if self._primaries.is_cluster:
            values = await self._values(others)
            values |= await self._values([first])
        else:
            values = await self._values(keys)
        if values.get(first, UNREACHABLE) == UNREACHABLE:
            raise RedisConnectionError("a primary does not answer")
        return [values.get(key, UNREACHABLE) for key in keys]

    async def info(self, *sections: str) -> list[dict[str, Any]]:
        """What each primary says of itself.

        Raises:
            RedisError, OSError: one of them does not answer.
        """
        told: list[dict[str, Any]] = []
        for redis in await self._primaries.all():
            try:
                told.append(await redis.info(*sections))
            except (RedisError, OSError):
                self._primaries.forget(redis)
                raise
        return told

    async def _values(self, keys: Sequence[str]) -> Values:
        values: Values = {}
        for _ in range(_TRIES):
            wanted = [key for key in keys if key not in values]
            if wanted:
                values |= await self._answers(wanted)
        return values

    async def _answers(self, keys: Sequence[str]) -> Values:
        if not self._primaries.is_cluster:
            return await self._read(await self._primaries.of(""), [keys])
        by_primary: dict[Redis, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for key in keys:
            by_primary[await self._primaries.of(key)][key[: key.find("}")]].append(key)
        reads = [self._read(redis, [*tags.values()]) for redis, tags in by_primary.items()]
        found: Values = {}
        for values in await asyncio.gather(*reads):
            found |= values
        return found

    async def _read(self, redis: Redis, groups: Sequence[Sequence[str]]) -> Values:
        """What one primary says, nothing if it has gone: then it is worth another try."""
        try:
            async with asyncio.timeout(self._answers_within_s):
                answers = await _mget_each(redis, groups)
        except TimeoutError:
            self._primaries.forget(redis)
            return {key: UNREACHABLE for group in groups for key in group}
        except (RedisError, OSError):
            self._primaries.forget(redis)
            return {}
        return {
            key: value
            for group, values in zip(groups, answers, strict=True)
            for key, value in zip(group, values, strict=True)
        }


async def _mget_each(redis: Redis, groups: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
    """One MGET for each group, all in one round trip."""
    if len(groups) == 1:
        return [cast("list[bytes | None]", await redis.mget(groups[0]))]
    pipeline = redis.pipeline(transaction=False)
    for group in groups:
        pipeline.mget(group)
    return await pipeline.execute()
