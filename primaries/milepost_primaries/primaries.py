"""Finds the Redis that holds a key and may be written to, and finds it anew when it has moved."""

import asyncio
from binascii import crc_hqx
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ClusterDownError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from milepost_primaries.url import RedisUrl, host_and_port

T = TypeVar("T")

SLOTS: Final = 16_384


class _Shard(NamedTuple):
    """A range of slots, and where it is written to. In order of slots."""

    last_slot: int
    first_slot: int
    host: str


def slot_of(key: str) -> int:
    """The hash slot of a key, by the rule of Redis Cluster: that of its tag, if it has one."""
    start = key.find("{")
    end = key.find("}", start + 1) if start >= 0 else -1
    tagged = key[start + 1 : end] if end > start + 1 else key
    return crc_hqx(tagged.encode(), 0) % SLOTS


class Primaries:
    """The primaries of one URL, each with one client that is kept as long as it works.

    Whoever has a call fail hands its client to `forget`; then the cluster or the sentinels are
    asked again before the next call. A single Redis is always the same client. Nothing here
    repeats a call: the caller knows whether it may be repeated, and until when.
    """

    def __init__(
        self, url: RedisUrl, connect: Callable[[str], Redis], *, answers_within_s: float
    ) -> None:
        """`connect` makes a client of a URL of redis-py that repeats nothing by itself.

        Args:
            url: Where to look.
            connect: Called for each server that is asked and for each primary.
            answers_within_s: How long one server is asked for where the primaries are.
        """
        self.is_cluster = url.kind == "cluster"
        self._url = url
        self._connect = connect
        self._answers_within_s = answers_within_s
        self._asked = deque(url.hosts)
        self._shards: list[_Shard] = []
        self._clients: dict[str, Redis] = {}
        self._discarded: list[Redis] = []
        self._finding = asyncio.Lock()
        self._is_closed = False

    async def of(self, key: str) -> Redis:
        """The primary of a key.

        Raises:
            RedisError, OSError: nobody says where it is.
        """
        if not self._shards:
            await self._find()
        if (primary := self.known(key)) is not None:
            return primary
        self._shards = []
        raise ClusterDownError(f"nobody has slot {slot_of(key)}")

    def known(self, key: str) -> Redis | None:
        """The primary of a key if it is known without asking."""
        if len(self._shards) == 1:
            return self._clients[self._shards[0].host]
        slot = slot_of(key)
        at = bisect_left(self._shards, (slot,))
        if at == len(self._shards) or self._shards[at].first_slot > slot:
            return None
        return self._clients[self._shards[at].host]

    async def all(self) -> list[Redis]:
        """Every primary, once.

        Raises:
            RedisError, OSError: nobody says where they are.
        """
        if not self._shards:
            await self._find()
        return [*self._clients.values()]

    def keeps(self, client: Redis) -> bool:
        """Whether the client is one of those in use: another one may be closed amid a call."""
        return client in self._clients.values()

    def forget(self, failed: Redis) -> None:
        """Look for the primaries again before the next call, because this one failed."""
        if self._url.kind == "single":
            return
        for host, client in self._clients.items():
            if client is failed:
                del self._clients[host]
                self._discarded.append(client)
                self._shards = []
                return

    async def aclose(self) -> None:
        """Close every connection. Who asks from now on is refused."""
        self._is_closed = True
        self._discarded += self._clients.values()
        self._clients, self._shards = {}, []
        await self._close_discarded()

    async def _find(self) -> None:
        async with self._finding:
            if self._is_closed:
                raise RedisConnectionError("the connections are closed")
            if self._shards:
                return
            await self._close_discarded()
            match self._url.kind:
                case "single":
                    shards = [_Shard(SLOTS - 1, 0, self._url.hosts[0])]
                case "sentinel":
                    shards = await self._ask(self._url.sentinel, self._master)
                case "cluster":
                    shards = await self._ask(self._url.server, self._slots)
            self._take(sorted(shards))

    def _take(self, shards: list[_Shard]) -> None:
        hosts = {shard.host for shard in shards}
        for host in self._clients.keys() - hosts:
            self._discarded.append(self._clients.pop(host))
        for host in hosts - self._clients.keys():
            self._clients[host] = self._connect(self._url.server(host))
        self._shards = shards

    async def _ask(
        self, url_of: Callable[[str], str], question: Callable[[str, Redis], Awaitable[T]]
    ) -> T:
        """The first answer that one of the known servers gives, another one first each time."""
        last_error: Exception = RedisConnectionError("nobody to ask")
        for _ in range(len(self._asked)):
            host = self._asked[0]
            self._asked.rotate(-1)
            client = self._connect(url_of(host))
            try:
                async with asyncio.timeout(self._answers_within_s):
                    return await question(host, client)
            except (RedisError, OSError) as error:
                last_error = error
            finally:
                await _close(client)
        raise last_error

    async def _slots(self, asked: str, client: Redis) -> list[_Shard]:
        shards: list[_Shard] = []
        known = {*self._url.hosts}
        for first, last, *nodes in await _call(client, "CLUSTER", "SLOTS"):
            primary, *replicas = (_host(node, asked) for node in nodes)
            shards.append(_Shard(last, first, primary))
            known.update((primary, *replicas))
        if not shards:
            raise ClusterDownError("the cluster has no slots yet")
        # Those that could be asked keep their turns.
        self._asked = deque(host for host in self._asked if host in known)
        self._asked.extend(known - {*self._asked})
        return shards

    async def _master(self, _: str, client: Redis) -> list[_Shard]:
        name = self._url.master
        found = await _call(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        if not found:
            raise RedisConnectionError(f"the sentinel knows no master {name}")
        host = host_and_port(found[0].decode(), int(found[1]))
        await self._require_master(host)
        return [_Shard(SLOTS - 1, 0, host)]

    async def _require_master(self, host: str) -> None:
        """Sentinels name a master that has come back for as long as it takes to demote it."""
        client = self._connect(self._url.server(host))
        try:
            role, *_ = await _call(client, "ROLE")
        finally:
            await _close(client)
        if role != b"master":
            raise RedisConnectionError(f"{host} is not the master any more")

    async def _close_discarded(self) -> None:
        while self._discarded:
            await _close(self._discarded.pop())


def _host(node: list[Any], asked: str) -> str:
    """Where a node is; one that does not know its own address is where it was asked."""
    host, port = (node[0] or b"").decode(), int(node[1])
    if host in ("", "?"):
        host = asked.rpartition(":")[0].strip("[]")
    return host_and_port(host, port)


async def _close(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.aclose()


async def _call(client: Redis, *command: str) -> list[Any]:
    """The list that Redis answers, empty for none."""
    answer: list[Any] | None = await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's
    return answer or []
