"""The read model in Redis, as the projector writes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, cast

import msgspec
from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.typing import EncodableT

from milepost_projector.slices import Slice
from milepost_schemas.document import Document
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.meta import Meta
from milepost_schemas.record import decode_record

FIRST_GENERATION: Final = 1
NO_CHECKPOINT: Final = b"-"
CALL_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
POOL_TIMEOUT_S: Final = 5.0
MAX_CONNECTIONS: Final = 8
SCAN_KEYS: Final = 500
"""Keys that Redis looks at in one go."""

_UNAVAILABLE = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
)


class ReadModelUnavailableError(Exception):
    """Redis cannot serve right now; the same call may succeed later and does no harm twice."""


class ReadModelUnfitError(Exception):
    """Redis is there but must not be written to until a person changes something."""


class _Connection(Connection):
    """Packs commands in C; redis-py itself does it argument by argument in Python."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        # The name of a command may be two words, which Redis wants as two arguments.
        name = str(args[0]).split()
        return [pack_command(cast("tuple[bytes]", (*name, *args[1:])))]


class RedisReadModel:
    """Reads and writes partitions of one generation. Every call may be repeated."""

    def __init__(self, url: str, keys: Keys, *, model_version: int = MODEL_VERSION) -> None:
        self.keys = keys
        self.model_version = model_version
        self._pool = BlockingConnectionPool.from_url(
            url,
            connection_class=_Connection,
            max_connections=MAX_CONNECTIONS,
            timeout=POOL_TIMEOUT_S,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        # A connection of its own for single commands: to borrow one costs as much as the command.
        self._redis = Redis(connection_pool=self._pool, single_connection_client=True)
        self._script = (files("milepost_projector") / "apply.lua").read_text()
        self._publish_script = (files("milepost_projector") / "publish.lua").read_text()
        self._swap_script = (files("milepost_projector") / "swap.lua").read_text()
        self._sha = ""
        self._encoder = msgspec.msgpack.Encoder()

    async def close(self) -> None:
        await self._redis.aclose()
        await self._pool.aclose()

    async def meta(self, partitions: int, *, at_least: int = FIRST_GENERATION) -> Meta:
        """The live generation's metadata, made first where Redis is empty.

        A generation below `at_least` is none that was live last, and is left.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis may evict keys, has done so, or holds a model of other code.
        """
        await self.inspect()
        async with _reached():
            ours = Meta(max(FIRST_GENERATION, at_least), partitions, self.model_version)
            await self._redis.set(self.keys.meta, ours.encode(), nx=True)
        stored = Meta.decode(value := await self.stored_meta())
        if stored.generation < at_least:
            newest = await self.swap(self.keys.meta, value, stored.forward(ours).encode())
            stored = Meta.decode(newest)
        if (stored.partitions, stored.model_version) != (partitions, self.model_version):
            raise ReadModelUnfitError(
                f"the read model has version {stored.model_version} and {stored.partitions} "
                f"partitions, this projector {self.model_version} and {partitions}; run "
                "`milepost rebuild` with this version"
            )
        return stored

    async def inspect(self) -> None:
        """Ask Redis whether it keeps what it is given.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis may evict keys, or has done so.
        """
        async with _reached():
            told = await self._redis.info("memory", "stats")
        policy, evicted = told["maxmemory_policy"], told["evicted_keys"]
        if policy != "noeviction":
            raise ReadModelUnfitError(
                f"Redis has maxmemory-policy {policy} and may drop files; set it to noeviction"
            )
        if evicted:
            raise ReadModelUnfitError(
                f"Redis has evicted {evicted} keys, files perhaps among them; empty it, then reset "
                "its count with CONFIG RESETSTAT"
            )

    async def stored_meta(self) -> bytes:
        """The metadata as they are; ReadModelUnavailableError where there are none."""
        async with _reached():
            return _bytes(await self._redis.get(self.keys.meta))

    async def call(self, *command: str | bytes | int) -> Any:  # noqa: ANN401  each has its own
        """The answer to one command, whose keys are all of one hash tag."""
        async with _reached():
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def swap(self, key: str, expected: bytes, value: bytes) -> bytes:
        """Replace a value if it is the expected one; what is stored then."""
        answer = await self.call("EVAL", self._swap_script, 1, key, expected, value)
        return cast("bytes", answer)

    async def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """The names of the keys that match, a page at a time; some may come twice."""
        cursor = 0
        while True:
            cursor, page = await self.call("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_KEYS)
            yield page
            if not cursor:
                return

    async def checkpoint(self, keys: PartitionKeys) -> bytes:
        """The stored checkpoint as it is, `NO_CHECKPOINT` where there is none."""
        async with _reached():
            return _bytes(await self._redis.get(keys.checkpoint) or NO_CHECKPOINT)

    async def published(self, keys: PartitionKeys) -> int:
        """The offset up to which the status topic is complete, 0 where it is not known."""
        async with _reached():
            return int(await self._redis.get(keys.published) or 0)

    async def publish(self, keys: PartitionKeys, expected: int, reached: int) -> int:
        """Move the published position if it is the expected one; the one that is stored then."""
        async with _reached():
            return int(
                await self._redis.eval(
                    self._publish_script, 2, keys.published, keys.checkpoint, expected, reached
                )
            )

    async def load(
        self, keys: PartitionKeys, names: Sequence[bytes]
    ) -> tuple[bytes, dict[bytes, Document]]:
        """The stored checkpoint, and those documents of the named files that exist."""
        prefix = keys.file("").encode()
        async with _reached():
            stored, *values = await self._redis.mget(
                [keys.checkpoint, *(prefix + name for name in names)]
            )
        found = zip(names, values, strict=True)
        documents = {name: decode_record(_bytes(value)) for name, value in found if value}
        return _bytes(stored or NO_CHECKPOINT), documents

    async def open_files(
        self, keys: PartitionKeys, cursor: int, count: int
    ) -> tuple[int, list[bytes]]:
        """About so many files whose attempt has not ended, and the cursor to go on with.

        Cursor 0 is the beginning, and the end when it comes back. Every file that is there all
        the time is among them at least once.
        """
        async with _reached():
            after, names = await self._redis.sscan(keys.open_files, cursor, count=count)
        return int(after), [_bytes(name) for name in names]

    async def values(self, keys: PartitionKeys, names: Sequence[bytes]) -> list[bytes | None]:
        """What is stored of the named files, as it is."""
        prefix = keys.file("").encode()
        return cast(
            "list[bytes | None]", await self.call("MGET", *(prefix + name for name in names))
        )

    async def write(self, slices: Sequence[Slice], keys: Sequence[PartitionKeys]) -> list[bytes]:
        """Write the slices in order; the checkpoints that are stored after each of them.

        A slice was written if and only if its own checkpoint is the one that comes back.
        """
        async with _reached():
            if not self._sha:
                self._sha = await self._redis.script_load(self._script)
            try:
                return await self._write(slices, keys)
            except NoScriptError:
                self._sha = await self._redis.script_load(self._script)
                return await self._write(slices, keys)

    async def _write(self, slices: Sequence[Slice], keys: Sequence[PartitionKeys]) -> list[bytes]:
        calls = [self._call(*each) for each in zip(slices, keys, strict=True)]
        if len(calls) == 1:
            return [_bytes(await self._redis.evalsha(self._sha, 1, *calls[0]))]
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.evalsha(self._sha, 1, *call)
        # redis-py would wrap an error's text in the command, and its code would not be first.
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def _call(self, slice_: Slice, keys: PartitionKeys) -> tuple[str | bytes, ...]:
        """The script's key and arguments."""
        commands = self._encoder.encode(slice_.commands)
        return (
            keys.checkpoint,
            slice_.expected,
            slice_.checkpoint,
            commands,
            *slice_.records,
        )


def _bytes(value: bytes | str | None) -> bytes:
    """Narrow redis-py's type: this client decodes nothing."""
    if not isinstance(value, bytes):
        raise ReadModelUnavailableError("Redis lost a key between two commands")
    return value


@asynccontextmanager
async def _reached() -> AsyncIterator[None]:
    """Bound the calls in time, and turn what says that Redis is away into the projector's error.

    The client's own time-out would put a task in front of every command.
    """
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            yield
    except (*_UNAVAILABLE, TimeoutError) as error:
        raise ReadModelUnavailableError(f"{type(error).__name__}: {error}") from error
    except ResponseError as error:
        # Redis says these by a prefix only, for want of classes of their own.
        if str(error).startswith(_UNAVAILABLE_PREFIXES):
            raise ReadModelUnavailableError(f"Redis: {error}") from error
        raise


_UNAVAILABLE_PREFIXES: Final = ("NOREPLICAS", "MISCONF")
