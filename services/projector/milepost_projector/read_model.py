"""The read model in Redis, as the projector writes it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, NamedTuple, Self, cast

import msgspec
from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
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

from milepost_primaries.primaries import Primaries
from milepost_primaries.url import RedisUrl
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
FIND_TIMEOUT_S: Final = 1.0
"""For one node of a cluster, or one sentinel, to say where the primaries are."""
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
    MovedError,
    AskError,
)
_UNAVAILABLE_PREFIXES: Final = ("NOREPLICAS", "MISCONF")


class ReadModelUnavailableError(Exception):
    """Redis cannot serve right now; the same call may succeed later and does no harm twice."""


class ReadModelUnfitError(Exception):
    """Redis is there but must not be written to until a person changes something."""


class _Call(NamedTuple):
    """What the script that applies a slice is called with."""

    keys: list[str | bytes]
    arguments: list[bytes]


class _Connection(Connection):
    """Packs commands in C; redis-py itself does it argument by argument in Python."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        # The name of a command may be two words, which Redis wants as two arguments.
        name = str(args[0]).split()
        return [pack_command(cast("tuple[bytes]", (*name, *args[1:])))]


class _Redis(Redis):
    """Looks for its only connection once; redis-py itself does so before each command."""

    async def initialize(self) -> Self:
        if self.connection is None:
            await super().initialize()
        return self


class RedisReadModel:
    """Reads and writes partitions of one generation. Every call may be repeated."""

    def __init__(self, url: str, keys: Keys, *, model_version: int = MODEL_VERSION) -> None:
        self.keys = keys
        self.model_version = model_version
        self._primaries = Primaries(RedisUrl.parse(url), _client, answers_within_s=FIND_TIMEOUT_S)
        self._script = (files("milepost_projector") / "apply.lua").read_text()
        self._sha = sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._publish_script = (files("milepost_projector") / "publish.lua").read_text()
        self._swap_script = (files("milepost_projector") / "swap.lua").read_text()
        self._unlink_script = (files("milepost_projector") / "unlink.lua").read_text()
        self._encoder = msgspec.msgpack.Encoder()

    async def close(self) -> None:
        await self._primaries.aclose()

    async def meta(self, partitions: int, *, at_least: int = FIRST_GENERATION) -> Meta:
        """The live generation's metadata, made first where Redis is empty.

        A generation below `at_least` is none that was live last, and is left.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis may evict keys, has done so, or holds a model of other code.
        """
        await self.inspect()
        async with self._primary(self.keys.meta) as redis:
            ours = Meta(max(FIRST_GENERATION, at_least), partitions, self.model_version)
            await redis.set(self.keys.meta, ours.encode(), nx=True)
        stored = Meta.decode(value := await self.stored_meta())
        if stored.generation < at_least:
            newest = await self.swap(self.keys.meta, value, stored.forward(ours).encode())
            stored = swapped(newest)
        if (stored.partitions, stored.model_version) != (partitions, self.model_version):
            raise ReadModelUnfitError(
                f"the read model has version {stored.model_version} and {stored.partitions} "
                f"partitions, this projector {self.model_version} and {partitions}; run "
                "`milepost rebuild` with this version"
            )
        return stored

    async def inspect(self) -> None:
        """Ask every primary whether it keeps what it is given.

        Raises:
            ReadModelUnavailableError: Redis is away.
            ReadModelUnfitError: Redis may evict keys, or has done so.
        """
        async with self._reached():
            primaries = await self._primaries.all()
        for redis in primaries:
            async with self._reached(redis):
                told = await redis.info("memory", "stats")
            _require_nothing_is_evicted(told["maxmemory_policy"], told["evicted_keys"])

    async def stored_meta(self) -> bytes:
        """The metadata as they are; ReadModelUnavailableError where there are none."""
        async with self._primary(self.keys.meta) as redis:
            return _bytes(await redis.get(self.keys.meta))

    async def call(self, *command: str | bytes | int) -> Any:  # noqa: ANN401  each has its own
        """The answer to one command, whose keys are all of one hash tag."""
        # A script comes before its key, and so does their number.
        key = command[3] if command[0] == "EVAL" else command[1]
        # The tag, which says where the key is, is text; what follows may be anything.
        name = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
        async with self._primary(name) as redis:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def swap(self, key: str, expected: bytes, value: bytes) -> bytes:
        """Replace a value if it is the expected one; what is stored then."""
        answer = await self.call("EVAL", self._swap_script, 1, key, expected, value)
        return cast("bytes", answer)

    async def unlink(self, names: Sequence[bytes], keep: Collection[int]) -> int:
        """Remove keys of one hash tag unless a generation is live that is not to be kept.

        Returns:
            How many there were; -1 where it is, and nothing was removed.
        """
        if self._primaries.is_cluster:
            # The metadata are elsewhere, so what is found there may be over when the keys go.
            stored: bytes | None = await self.call("GET", self.keys.meta)
            is_kept = stored is not None and Meta.decode(stored).generation in keep
            return cast("int", await self.call("UNLINK", *names)) if is_kept else -1
        keys = [self.keys.meta.encode(), *names]
        return cast("int", await self.call("EVAL", self._unlink_script, len(keys), *keys, *keep))

    async def scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """The names of the keys that match, a page at a time; some may come twice."""
        async with self._reached():
            primaries = await self._primaries.all()
        for redis in primaries:
            cursor, is_begun = 0, False
            while cursor or not is_begun:
                async with self._reached(redis):
                    cursor, page = await redis.scan(cursor, match=pattern, count=SCAN_KEYS)
                yield [_bytes(name) for name in page]
                is_begun = True

    async def checkpoint(self, keys: PartitionKeys) -> bytes:
        """The stored checkpoint as it is, `NO_CHECKPOINT` where there is none."""
        async with self._primary(keys.tag) as redis:
            return _bytes(await redis.get(keys.checkpoint) or NO_CHECKPOINT)

    async def published(self, keys: PartitionKeys) -> int:
        """The offset up to which the status topic is complete, 0 where it is not known."""
        async with self._primary(keys.tag) as redis:
            return int(await redis.get(keys.published) or 0)

    async def publish(self, keys: PartitionKeys, expected: int, reached: int) -> int:
        """Move the published position if it is the expected one; the one that is stored then."""
        async with self._primary(keys.tag) as redis:
            return int(
                await redis.eval(
                    self._publish_script, 2, keys.published, keys.checkpoint, expected, reached
                )
            )

    async def load(
        self, keys: PartitionKeys, names: Sequence[bytes]
    ) -> tuple[bytes, dict[bytes, Document]]:
        """The stored checkpoint, and those documents of the named files that exist."""
        prefix = keys.file("").encode()
        async with self._primary(keys.tag) as redis:
            stored, *values = await redis.mget(
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
        async with self._primary(keys.tag) as redis:
            after, names = await redis.sscan(keys.open_files, cursor, count=count)
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
        calls: dict[Redis, list[tuple[int, _Call]]] = defaultdict(list)
        for number, (slice_, at) in enumerate(zip(slices, keys, strict=True)):
            redis = self._primaries.known(at.tag) or await self._find(at.tag)
            calls[redis].append((number, self._call(slice_, at)))
        if len(calls) == 1:
            ((redis, of),) = calls.items()
            return await self._write(redis, [call for _, call in of])
        # All are waited for: none goes on behind the back of the next try.
        written = await asyncio.gather(
            *(self._write(redis, [call for _, call in of]) for redis, of in calls.items()),
            return_exceptions=True,
        )
        answers: dict[int, bytes] = {}
        for of, stored in zip(calls.values(), written, strict=True):
            if isinstance(stored, BaseException):
                raise stored
            answers |= {number: answer for (number, _), answer in zip(of, stored, strict=True)}
        return [answers[number] for number in range(len(slices))]

    async def _write(self, redis: Redis, calls: Sequence[_Call]) -> list[bytes]:
        """Run the calls of one primary, which may not know the script yet or not any more."""
        async with self._reached(redis):
            try:
                return await self._run(redis, calls)
            except NoScriptError:
                await redis.script_load(self._script)
                return await self._run(redis, calls)

    async def _run(self, redis: Redis, calls: Sequence[_Call]) -> list[bytes]:
        if len(calls) == 1:
            keys, arguments = calls[0]
            command = ("EVALSHA", self._sha, len(keys), *keys, *arguments)
            return [_bytes(await redis.execute_command(*command))]  # type: ignore[no-untyped-call]
        pipeline = redis.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.evalsha(self._sha, len(keys), *keys, *arguments)
        # redis-py would wrap an error's text in the command, and its code would not be first.
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def _call(self, slice_: Slice, keys: PartitionKeys) -> _Call:
        names: list[str | bytes] = [keys.checkpoint]
        if self._primaries.is_cluster:
            # All, so that a cluster that moves their slot refuses the script before it begins.
            names += slice_.records[::2]
            names += {str(command[1]) for command in slice_.commands if command[0] != "SPUBLISH"}
        commands = self._encoder.encode(slice_.commands)
        return _Call(names, [slice_.expected, slice_.checkpoint, commands, *slice_.records])

    @asynccontextmanager
    async def _primary(self, key: str) -> AsyncIterator[Redis]:
        """Where the key is; calls to it are bounded and their errors are the projector's."""
        redis = self._primaries.known(key) or await self._find(key)
        async with self._reached(redis):
            yield redis

    async def _find(self, key: str) -> Redis:
        async with self._reached():
            return await self._primaries.of(key)

    @asynccontextmanager
    async def _reached(self, redis: Redis | None = None) -> AsyncIterator[None]:
        """Bound the calls in time, and turn what says that Redis is away into our error.

        The client's own time-out would put a task in front of every command.
        """
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                yield
        except (*_UNAVAILABLE, TimeoutError, OSError) as error:
            self._forget(redis)
            raise ReadModelUnavailableError(f"{type(error).__name__}: {error}") from error
        except KeyError as error:
            # redis-py gives a connection back twice where the client was closed amid a command.
            if redis is None or self._primaries.keeps(redis):
                raise
            raise ReadModelUnavailableError("the connection was closed") from error
        except ResponseError as error:
            # Redis says these by a prefix only, for want of classes of their own.
            if str(error).startswith(_UNAVAILABLE_PREFIXES):
                raise ReadModelUnavailableError(f"Redis: {error}") from error
            raise

    def _forget(self, redis: Redis | None) -> None:
        if redis is not None:
            self._primaries.forget(redis)


def swapped(answer: bytes) -> Meta:
    """The metadata that a swap has left, ReadModelUnavailableError where they vanished before."""
    if answer == NO_CHECKPOINT:
        raise ReadModelUnavailableError("Redis lost its metadata between two commands")
    return Meta.decode(answer)


def _client(url: str) -> Redis:
    """A client that repeats nothing by itself."""
    pool = BlockingConnectionPool.from_url(
        url,
        connection_class=_Connection,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_TIMEOUT_S,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    # A connection of its own for single commands: to borrow one costs as much as the command.
    return _Redis(connection_pool=pool, single_connection_client=True)


def _require_nothing_is_evicted(policy: str, evicted: int) -> None:
    if policy != "noeviction":
        raise ReadModelUnfitError(
            f"Redis has maxmemory-policy {policy} and may drop files; set it to noeviction"
        )
    if evicted:
        raise ReadModelUnfitError(
            f"Redis has evicted {evicted} keys, files perhaps among them; empty it, then reset "
            "its count with CONFIG RESETSTAT"
        )


def _bytes(value: bytes | str | None) -> bytes:
    """Narrow redis-py's type: this client decodes nothing."""
    if not isinstance(value, bytes):
        raise ReadModelUnavailableError("Redis lost a key between two commands")
    return value
