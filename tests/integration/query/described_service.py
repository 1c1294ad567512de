"""The query service as a process, over a read model that is always read to the end of its log.

For tests that are no coroutines: what runs beside them does so in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from milepost_schemas.document import Document
from milepost_schemas.logs import LogLine
from tests.integration.query.process import query_process
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import KEYS, write_keys

AS_OF_EVERY_S = 0.02

Stored = Sequence[tuple[Document, Sequence[LogLine]]]
"""Files, and what they logged."""


@contextmanager
def described_service(
    redis_url: str, prefix: str, directory: Path, stored: Stored
) -> Iterator[str]:
    """The address of the service."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving(redis_url, prefix, directory, stored)) as url,
    ):
        yield url


@asynccontextmanager
async def _serving(
    redis_url: str, prefix: str, directory: Path, stored: Stored
) -> AsyncIterator[str]:
    keys_file = directory / "api-keys.json"
    write_keys(keys_file, KEYS)
    projected = ProjectedFiles(redis_url, prefix)
    await projected.begin()
    for document, lines in stored:
        await projected.put(document)
        await projected.log(document, lines)
    moving = asyncio.create_task(_move_on(projected))
    settings = {
        "redis_url": redis_url,
        "redis_prefix": prefix,
        "api_keys_file": keys_file,
        "status_rate_per_s": 0,
        "request_rate_per_s": 0,
    }
    async with query_process(directory / "query.log", **settings) as process:
        yield await process.url()
    moving.cancel()
    await asyncio.wait([moving])
    await projected.aclose()


async def _move_on(projected: ProjectedFiles) -> None:
    while True:
        await projected.as_of_now()
        await asyncio.sleep(AS_OF_EVERY_S)
