"""Reads of many kinds, those of one hash tag all at one point in time, wherever the tags are."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from milepost_primaries.primaries import Primaries
from milepost_primaries.scattered_reads import UNREACHABLE, ScatteredReads
from milepost_primaries.shared_calls import SharedCalls

Command = Sequence[str | int]
"""A command that changes nothing and has one key, which is its first argument."""
Group = Sequence[Command]
"""Commands whose keys have one hash tag."""
Answers = list[Any]

_AT_ONCE: Final = 16
"""Reads that share a call of the script: nothing else is answered while it runs."""
_TRIES: Final = 2

# ARGV: lists of groups as MessagePack; KEYS: all keys on a cluster, so that one that moves their
# slot refuses the script before it begins. EVAL with the whole script, not EVALSHA: nobody has to
# load it, and it is short.
_SCRIPT: Final = """\
#!lua flags=no-writes
local function answers_to(group)
  local answers = {}
  for at, command in ipairs(group) do
    answers[at] = redis.call(unpack(command))
  end
  return answers
end
local answers = {}
for at, packed in ipairs(ARGV) do
  answers[at] = {}
  for number, group in ipairs(cmsgpack.unpack(packed)) do
    answers[at][number] = answers_to(group)
  end
end
return answers
"""


class SnapshotError(Exception):
    """Redis cannot be read from: it is away, in part or as a whole, or refuses."""


class Snapshot(NamedTuple):
    """What was answered."""

    last: bytes | None
    """The value of the key that was read last."""
    groups: Sequence[Answers | None]
    """The answers to each group's commands, None where its primary did not answer."""


class SnapshotReads:
    """Reads from one Redis, the primaries of a cluster, or the master behind sentinels.

    The commands of a group are answered at one point in time; those of all groups are where there
    is no cluster. What the last key says was true when the others were read.
    """

    def __init__(self, primaries: Primaries, *, answers_within_s: float, within_s: float) -> None:
        """`answers_within_s` bounds the wait for one primary, `within_s` that for a whole read."""
        self._primaries = primaries
        self._answers_within_s = answers_within_s
        self._within_s = within_s
        self._encoder = msgspec.msgpack.Encoder()
        self._scattered = ScatteredReads(primaries, answers_within_s=answers_within_s)
        self._shared: SharedCalls[bytes, list[Answers]] = SharedCalls(
            self._answer_together, at_once=_AT_ONCE, within_s=within_s
        )
        self._shared_values: SharedCalls[Sequence[str], Answers] = SharedCalls(
            self._values_together, at_once=_AT_ONCE, within_s=within_s
        )

    async def aclose(self) -> None:
        """End the reads in hand."""
        await self._shared.aclose()
        await self._shared_values.aclose()

    async def read(self, groups: Sequence[Group], *, last: str) -> Snapshot:
        """Answer every group, and the value of the key `last` after them all.

        Raises:
            SnapshotError: the last key cannot be had, or nobody says where the keys are.
            TimeoutError: there was no answer in time.
        """
        last_group: Group = [["GET", last]]
        if not self._primaries.is_cluster:
            packed = self._encoder.encode([*groups, last_group])
            *answers, found = await self._shared.ask(packed)
            return Snapshot(found[0], answers)
        async with asyncio.timeout(self._within_s):
            try:
                by_group = await self._answers(groups)
                (last_answers,) = await self._answers([last_group])
            except (RedisError, OSError) as error:
                raise SnapshotError("nobody says where the keys are") from error
        if last_answers is None:
            raise SnapshotError("a primary does not answer")
        return Snapshot(last_answers[0], by_group)

    async def values(self, groups: Sequence[Sequence[str]], *, last: str) -> Snapshot:
        """As `read`, for the values of strings, whose keys are given: Redis copies them less often.

        Raises:
            SnapshotError, TimeoutError: as there.
        """
        keys = [last, *chain.from_iterable(groups)]
        found, *values = await self._shared_values.ask(keys)
        in_turn = iter(values)
        by_group = [[*islice(in_turn, len(group))] for group in groups]
        return Snapshot(found, [None if UNREACHABLE in of else of for of in by_group])

    async def _values_together(self, asked: Sequence[Sequence[str]]) -> list[Answers]:
        """What several ask, each key once."""
        keys = [*dict.fromkeys(chain.from_iterable(asked))]
        try:
            values = dict(zip(keys, await self._scattered.mget(keys), strict=True))
        except (RedisError, OSError) as error:
            raise SnapshotError("Redis does not answer") from error
        return [[values[key] for key in of] for of in asked]

    async def _answer_together(self, packed: Sequence[bytes]) -> list[list[Answers]]:
        """What several ask, where all is on one Redis. One that has gone is looked for once.

        Raises:
            SnapshotError: it does not answer, or nobody says where it is.
        """
        last_error: Exception | None = None
        for _ in range(_TRIES):
            try:
                return await self._run_at(await self._primaries.of(""), packed)
            except (RedisError, OSError) as error:
                last_error = error
        raise SnapshotError("Redis does not answer") from last_error

    async def _run_at(self, redis: Redis, packed: Sequence[bytes]) -> list[list[Answers]]:
        try:
            async with asyncio.timeout(self._answers_within_s):
                return await redis.execute_command("EVAL_RO", _SCRIPT, 0, *packed)  # type: ignore[no-untyped-call, no-any-return]  # redis-py's
        except (RedisError, OSError):
            self._primaries.forget(redis)
            raise

    async def _answers(self, groups: Sequence[Group]) -> list[Answers | None]:
        """A primary that has gone is looked for once; the others' groups are answered."""
        answers: dict[int, Answers] = {}
        for _ in range(_TRIES):
            missing = {n: group for n, group in enumerate(groups) if n not in answers}
            if missing:
                answers |= await self._some_answers(missing)
        return [answers.get(number) for number in range(len(groups))]

    async def _some_answers(self, groups: Mapping[int, Group]) -> dict[int, Answers]:
        """The answers of the primaries that answer, by the numbers of the groups."""
        by_primary: dict[Redis, dict[int, Group]] = defaultdict(dict)
        for number, group in groups.items():
            by_primary[await self._primaries.of(str(group[0][1]))][number] = group
        reads = [self._read(redis, of) for redis, of in by_primary.items()]
        found: dict[int, Answers] = {}
        for answers in await asyncio.gather(*reads):
            found |= answers
        return found

    async def _read(self, redis: Redis, groups: Mapping[int, Group]) -> dict[int, Answers]:
        """What one primary answers, nothing if it does not."""
        pipeline = redis.pipeline(transaction=False)
        for group in groups.values():
            keys = {command[1] for command in group}
            packed = self._encoder.encode([group])
            pipeline.execute_command("EVAL_RO", _SCRIPT, len(keys), *keys, packed)
        try:
            async with asyncio.timeout(self._answers_within_s):
                answers = await pipeline.execute()
        except (RedisError, OSError):
            self._primaries.forget(redis)
            return {}
        return {number: answer[0][0] for number, answer in zip(groups, answers, strict=True)}
