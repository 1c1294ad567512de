"""The channels of one primary, on one connection."""

import asyncio
from collections.abc import Callable, Set
from typing import Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_TIMEOUT_S: Final = 1.0
SILENT_FOR_S: Final = 5.0
"""A connection on which not even a ping is answered is dead."""


class Listener(NamedTuple):
    """Who is told. A hint is only a hint: whoever hears it reads, and may never hear it."""

    on_hint: Callable[[bytes], None]
    """With the keys of files that have changed, separated by spaces."""
    on_subscribed: Callable[[str], None]
    """With a channel whose hints are heard from now on; those before may have been lost."""


class Subscription:
    """Hears the channels that are wanted of it, until its connection is lost."""

    task: asyncio.Task[None]

    def __init__(self, redis: Redis, listener: Listener) -> None:
        self._connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._listener = listener
        self._wanted: Set[str] = frozenset()
        self._asked: Set[str] = frozenset()
        self._is_connected = False
        self.heard: set[str] = set()

    async def want(self, channels: Set[str]) -> None:
        """Asks for what is missing, and for a sign of life."""
        self._wanted = channels
        if self._is_connected:
            await self._ask()
            await self._send("PING")

    async def connect(self) -> None:
        """Raises RedisError, OSError."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._connection.connect()
        self._is_connected = True

    async def listen(self) -> None:
        """Hears until the connection is lost. Raises RedisError, OSError."""
        await self._ask()
        while True:
            push = await self._connection.read_response(timeout=SILENT_FOR_S)
            if push is None:
                raise RedisConnectionError("the primary is silent")
            self._take(push)

    async def disconnect(self) -> None:
        self._is_connected = False
        await self._connection.disconnect(nowait=True)

    def end(self) -> None:
        self.task.cancel()

    async def _ask(self) -> None:
        # One channel a command: on a cluster each is of another slot.
        missing, superfluous = self._wanted - self._asked, self._asked - self._wanted
        self._asked = self._wanted
        self.heard -= superfluous
        for channel in missing:
            await self._send("SSUBSCRIBE", channel)
        for channel in superfluous:
            await self._send("SUNSUBSCRIBE", channel)

    async def _send(self, *command: str) -> None:
        # redis-py would connect again, on a connection that nobody listens to any more.
        if not self._connection.is_connected:
            raise RedisConnectionError("the connection is lost")
        await self._connection.send_command(*command)

    def _take(self, push: object) -> None:
        match push:
            case [b"smessage", _, bytes(file_keys)]:
                self._listener.on_hint(file_keys)
            case [b"ssubscribe", bytes(channel), _]:
                self.heard.add(channel.decode())
                self._listener.on_subscribed(channel.decode())
            case [b"sunsubscribe", bytes(channel), _] if channel.decode() in self._asked:
                raise RedisConnectionError("the slot of a channel has moved")
