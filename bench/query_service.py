"""A query service on a read model, as a process of its own, with everything switched on."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from milepost_local.ports import free_port

API_KEY: Final = "ak_bench"
ORGANIZATION: Final = "org_bench"
OWNERS: Final = {API_KEY: ORGANIZATION}
START_WITHIN_S: Final = 30
NEVER_REACHED: Final = "1000000000"


class Service(NamedTuple):
    """Where a process listens."""

    pid: int
    port: int


def write_api_keys(path: Path, organization_ids: Mapping[str, str] = OWNERS) -> None:
    """Keys that may read, and whose they are."""
    entries = [
        {
            "key_id": f"bench-{organization_id}",
            "sha256": sha256(key.encode()).hexdigest(),
            "organization_id": organization_id,
            "scopes": ["files:read"],
            "expires_at": None,
        }
        for key, organization_id in organization_ids.items()
    ]
    path.write_text(json.dumps({"keys": entries}))


@asynccontextmanager
async def query_service(redis_url: str, prefix: str) -> AsyncIterator[Service]:
    """Limits are counted and never reached."""
    with TemporaryDirectory() as name:
        keys_file = Path(name) / "api-keys.json"
        write_api_keys(keys_file)
        environment = {
            "MILEPOST_REDIS_URL": redis_url,
            "MILEPOST_REDIS_PREFIX": prefix,
            "MILEPOST_API_KEYS_FILE": str(keys_file),
            "MILEPOST_STATUS_RATE_PER_S": NEVER_REACHED,
            "MILEPOST_REQUEST_RATE_PER_S": NEVER_REACHED,
            "MILEPOST_MAX_STREAMS": "20000",
            "MILEPOST_MAX_STREAMS_PER_CALLER": "20000",
        }
        async with served("milepost_query", environment=environment) as service:
            yield service


@asynccontextmanager
async def served(
    module: str, *arguments: str, environment: dict[str, str] | None = None
) -> AsyncIterator[Service]:
    """A module that listens on the port of its first argument and of `MILEPOST_HTTP_PORT`."""
    port = str(free_port())
    given = os.environ | (environment or {}) | {"MILEPOST_HTTP_PORT": port}  # noqa: TID251  a child's
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *(each.format(port=port) for each in arguments), env=given,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _listening(int(port))
        yield Service(process.pid, int(port))
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    """Return once something listens on the port."""
    async with asyncio.timeout(START_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
