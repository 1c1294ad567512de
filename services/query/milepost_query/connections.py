"""The ways to the read model in Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.typing import EncodableT

from milepost_primaries.primaries import Primaries
from milepost_primaries.scattered_reads import ScatteredReads
from milepost_primaries.snapshot_reads import SnapshotReads
from milepost_primaries.url import RedisUrl

CONNECT_TIMEOUT_S: Final = 0.3
READ_TIMEOUT_S: Final = 0.5
"""For all of a read, connecting again included; who waits for the next one waits twice that."""
SNAPSHOT_TIMEOUT_S: Final = 1.0
"""For one read of a snapshot, a second try and the wait for those before it included."""
PRIMARY_TIMEOUT_S: Final = 0.2
"""For one of several: the read goes on without it."""


class _Connection(Connection):
    """Packs commands in C, at a tenth of the cost. TLS connections keep redis-py's packing."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        return [pack_command(cast("tuple[bytes]", args))]


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Redis | ScatteredReads]:
    """The way of statuses; connects on first use and again whenever it has to.

    There is a single connection to each server, because reads are shared and follow each other. A
    read that loses it is tried once more: where it was, because a restarted Redis leaves a dead
    one behind, or where the cluster or the sentinels say that it is now.
    """
    address = RedisUrl.parse(url)
    if address.kind == "single":
        redis = _client(url, retries=1, is_single=True)
        try:
            yield redis
        finally:
            await redis.aclose()
            await redis.connection_pool.aclose()
        return
    # Only a single connection that is never made again stays with the server whose role was seen,
    # but pipelines, which only a cluster needs, want one of their own.
    is_single = address.kind == "sentinel"
    primaries = Primaries(
        address,
        lambda found: _client(found, retries=0, is_single=is_single),
        answers_within_s=PRIMARY_TIMEOUT_S,
    )
    try:
        yield ScatteredReads(primaries, answers_within_s=PRIMARY_TIMEOUT_S)
    finally:
        await primaries.aclose()


@asynccontextmanager
async def connect_snapshots(url: str) -> AsyncIterator[SnapshotReads]:
    """A way of their own for reads that take longer: a status never waits behind one of them."""
    address = RedisUrl.parse(url)
    is_single = address.kind != "cluster"
    primaries = Primaries(
        address,
        lambda found: _client(found, retries=0, is_single=is_single),
        answers_within_s=PRIMARY_TIMEOUT_S,
    )
    reads = SnapshotReads(primaries, answers_within_s=READ_TIMEOUT_S, within_s=SNAPSHOT_TIMEOUT_S)
    try:
        yield reads
    finally:
        await reads.aclose()
        await primaries.aclose()


def _client(url: str, *, retries: int, is_single: bool) -> Redis:
    """A client with one connection.

    Reads have a deadline of their own, at half the cost of the client's: a read that is cancelled
    by it drops the connection, so that no answer is ever taken for another's.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        connection_class=_Connection,
        max_connections=1,
        timeout=CONNECT_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        protocol=2,
    )
    return Redis(connection_pool=pool, single_connection_client=is_single)
