"""Reads of many kinds, those of one hash tag all at one point in time, wherever the tags are."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from milepost_primaries.primaries import Primaries

MAX_ARGUMENTS: Final = 1_000
"""Of one command: Lua's stack bounds what it can unpack."""

Command = Sequence[str | int]
"""A command that changes nothing and has one key, which is its first argument."""

_TRIES: Final = 2

# EVAL with the whole script, not EVALSHA: nobody has to load it, and it is short.
_SCRIPT: Final = """\
#!lua flags=no-writes
local answers, at = {}, 1
while at <= #ARGV do
  local last = at + ARGV[at]
  answers[#answers + 1] = redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return answers
"""


class SnapshotError(Exception):
    """Redis cannot be read from: it is away, in part or as a whole, or refuses."""


class Snapshot(NamedTuple):
    """What was answered."""

    last: bytes | None
    """The value of the key that was read last."""
    groups: list[list[Any] | None]
    """The answers to each group's commands, None where its primary did not answer."""


class SnapshotReads:
    """Reads from one Redis, the primaries of a cluster, or the master behind sentinels.

    The commands of a group, whose keys have one hash tag, are answered at one point in time; those
    of all groups are where there is no cluster. What the last key says was true when the others
    were read.
    """

    def __init__(self, primaries: Primaries, *, answers_within_s: float) -> None:
        """`answers_within_s` bounds the wait for one primary."""
        self._primaries = primaries
        self._answers_within_s = answers_within_s

    async def read(self, groups: Sequence[Sequence[Command]], *, last: str) -> Snapshot:
        """Answer every group, and the value of the key `last` after them all.

        Raises:
            SnapshotError: the last key cannot be had, or nobody says where the keys are.
        """
        try:
            *answers, found = await self._in_turn([*groups, [["GET", last]]])
        except (RedisError, OSError) as error:
            raise SnapshotError("nobody says where the keys are") from error
        if found is None:
            raise SnapshotError("a primary does not answer")
        return Snapshot(found[0], answers)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._primaries.aclose()

    async def _in_turn(self, groups: Sequence[Sequence[Command]]) -> list[list[Any] | None]:
        """The last group after the others on a cluster, else all at once."""
        if self._primaries.is_cluster:
            *others, last = groups
            return [*await self._answers(others), *await self._answers([last])]
        return await self._at_once(groups)

    async def _at_once(self, groups: Sequence[Sequence[Command]]) -> list[list[Any] | None]:
        """All groups in one call."""
        (answers,) = await self._answers([[command for group in groups for command in group]])
        if answers is None:
            return [None for _ in groups]
        in_turn = iter(answers)
        return [[*islice(in_turn, len(group))] for group in groups]

    async def _answers(self, groups: Sequence[Sequence[Command]]) -> list[list[Any] | None]:
        """A primary that has gone is looked for once; the others' groups are answered."""
        answers: dict[int, list[Any]] = {}
        for _ in range(_TRIES):
            missing = {n: group for n, group in enumerate(groups) if n not in answers}
            if missing:
                answers |= await self._some_answers(missing)
        return [answers.get(number) for number in range(len(groups))]

    async def _some_answers(self, groups: Mapping[int, Sequence[Command]]) -> dict[int, list[Any]]:
        """The answers of the primaries that answer, by the numbers of the groups."""
        by_primary: dict[Redis, dict[int, Sequence[Command]]] = defaultdict(dict)
        for number, group in groups.items():
            by_primary[await self._primaries.of(str(group[0][1]))][number] = group
        reads = [self._read(redis, of) for redis, of in by_primary.items()]
        found: dict[int, list[Any]] = {}
        for answers in await asyncio.gather(*reads):
            found |= answers
        return found

    async def _read(
        self, redis: Redis, groups: Mapping[int, Sequence[Command]]
    ) -> dict[int, list[Any]]:
        """What one primary answers, nothing if it does not."""
        try:
            async with asyncio.timeout(self._answers_within_s):
                answers = await self._run(redis, [*groups.values()])
        except (RedisError, OSError):
            self._primaries.forget(redis)
            return {}
        return dict(zip(groups, answers, strict=True))

    async def _run(self, redis: Redis, groups: Sequence[Sequence[Command]]) -> list[list[Any]]:
        calls = [self._call(group) for group in groups]
        if len(calls) == 1:
            return [await redis.execute_command(*calls[0])]  # type: ignore[no-untyped-call]  # redis-py's
        pipeline = redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call)
        return await pipeline.execute()

    def _call(self, group: Sequence[Command]) -> list[str | int]:
        # All keys, so that a cluster that moves their slot refuses the script before it begins.
        keys = {command[1] for command in group} if self._primaries.is_cluster else ()
        return ["EVAL_RO", _SCRIPT, len(keys), *keys, *_arguments(group)]


def _arguments(group: Sequence[Command]) -> Iterator[str | int]:
    for command in group:
        yield len(command)
        yield from command
