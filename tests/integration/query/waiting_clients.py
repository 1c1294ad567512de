"""Clients that wait, and how to know that they do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from milepost_schemas.document import Document
from tests.integration.query.files import FILE, PATH
from tests.integration.query.running import READER
from tests.integration.query.stored_model import StoredModel

NEVER_S = 3_600.0
"""For polls that must not help."""


async def until(condition: Callable[[], Awaitable[object]], *, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110  what Redis knows has no event
            await asyncio.sleep(0.01)


async def listeners(model: StoredModel, document: Document) -> int:
    """How many connections hear the hints of the document's partition."""
    ((_, heard),) = await model.redis.pubsub_shardnumsub(model.hints_of(document))
    return int(heard)


async def waiting(
    client: httpx.AsyncClient,
    *,
    wait_s: int = 30,
    file_id: str = FILE,
    if_none_match: str | None = None,
) -> httpx.Response:
    sent = {**READER, "Prefer": f"wait={wait_s}"}
    if if_none_match is not None:
        sent["If-None-Match"] = if_none_match
    return await client.get(PATH.replace(FILE, file_id), headers=sent, timeout=60)


@asynccontextmanager
async def one_who_waits(
    client: httpx.AsyncClient,
    model: StoredModel,
    document: Document,
    if_none_match: str | None = None,
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A request that hints are heard for."""
    asking = waiting(client, file_id=document.file_id, if_none_match=if_none_match)
    task = asyncio.create_task(asking)
    await until(lambda: listeners(model, document))
    try:
        yield task
    finally:
        task.cancel()
