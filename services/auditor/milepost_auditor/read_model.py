"""The read model in Redis, as the auditor reads it: in slices, and nothing is ever written.

Each slice is read together with the checkpoint in one atomic step, so that it can be judged at
exactly that offset. The only module that knows Redis.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

import msgspec
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from milepost_auditor.errors import ReadModelUnavailableError
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.meta import Meta

CALL_TIMEOUT_S: Final = 10.0
RETRIES: Final = 3
SCANNED_KEYS: Final = 1_000
"""Keys of one step of a scan."""

Answer = Any
"""What Redis answers, which redis-py has no exact types for."""
Command = tuple[str | bytes | int, ...]


class Positions(NamedTuple):
    """How far a partition is."""

    checkpoint: Checkpoint
    published: int


class Slice(NamedTuple):
    """What was read at one checkpoint; an answer that is no value is an exception."""

    checkpoint: Checkpoint
    answers: Sequence[Answer]


class RedisReadModel:
    """Reads a read model; every call is short and may be repeated."""

    def __init__(self, url: str, prefix: str) -> None:
        self.keys = Keys(prefix)
        self._prefix = prefix
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=CALL_TIMEOUT_S,
            socket_connect_timeout=CALL_TIMEOUT_S,
            retry=Retry(ExponentialBackoff(), RETRIES),
            protocol=2,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    def meta(self) -> Meta:
        """The live generation.

        Raises:
            ReadModelUnavailableError: Redis is away, or has no read model.
        """
        with _reached():
            value = self._redis.get(self.keys.meta)
        if value is None:
            raise ReadModelUnavailableError(f"Redis has no {self.keys.meta}: there is no model")
        try:
            return Meta.decode(value)
        except msgspec.DecodeError as error:
            raise ReadModelUnavailableError(f"{self.keys.meta} is no metadata") from error

    def positions(self, keys: PartitionKeys) -> Positions:
        """Checkpoint and published position, read at once."""
        with _reached():
            answers = self._redis.mget([keys.checkpoint, keys.published])
        return Positions(_checkpoint(keys, answers[0]), int(answers[1] or 0))

    def values(self, keys: PartitionKeys, names: Sequence[str]) -> Slice:
        """The values of string keys; None where a key is missing or of another type."""
        with _reached():
            first, *answers = self._redis.mget([keys.checkpoint, *names])
        return Slice(_checkpoint(keys, first), answers)

    def answers(self, keys: PartitionKeys, commands: Sequence[Command]) -> Slice:
        """The answers to commands that only read, all at one checkpoint."""
        with _reached():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.get(keys.checkpoint)
            for command in commands:
                pipeline.execute_command(*command)
            first, *answers = pipeline.execute(raise_on_error=False)
        return Slice(_checkpoint(keys, first), answers)

    def members(self, command: str, key: str) -> Iterator[bytes]:
        """The members of a set or the fields of a hash, by ZSCAN, SSCAN or HSCAN in steps."""
        cursor = 0
        while True:
            with _reached():
                answer = self._redis.execute_command(command, key, cursor, "COUNT", SCANNED_KEYS)
            cursor, found = answer
            # redis-py answers pairs for sorted sets, a dict for hashes, and names for sets.
            yield from (each[0] if isinstance(each, tuple) else each for each in found)
            if not int(cursor):
                return

    def names(self) -> Iterator[list[bytes]]:
        """All keys with the prefix, in steps; Redis walks through all that it holds for it."""
        cursor = 0
        while True:
            with _reached():
                answer = self._redis.scan(cursor, match=f"{self._prefix}:*", count=SCANNED_KEYS)
            cursor, found = answer
            yield found
            if not cursor:
                return


def _checkpoint(keys: PartitionKeys, value: Answer) -> Checkpoint:
    if isinstance(value, RedisError):
        raise ReadModelUnavailableError(f"{keys.checkpoint}: {value}")
    if value is None:
        raise ReadModelUnavailableError(f"Redis has no {keys.checkpoint}: nothing was applied yet")
    try:
        return Checkpoint.decode(value)
    except ValueError as error:
        raise ReadModelUnavailableError(f"{keys.checkpoint} is no checkpoint") from error


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise ReadModelUnavailableError(f"Redis: {type(error).__name__}: {error}") from error


def refusal(answer: Answer) -> str | None:
    """What Redis has against a command, for example that the key is of another type."""
    return str(answer) if isinstance(answer, RedisError) else None
