"""Clients that wait, and how to know that they do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import httpx

from milepost_schemas.document import Document
from tests.integration.query.files import FILE, PATH
from tests.integration.query.running import READER, QueryClient
from tests.integration.query.stored_model import StoredModel

NEVER_S = 3_600.0
"""For polls that must not help."""

ANSWERED_WITHIN_S = 25
"""Before the deadline of a long wait, which would help, too."""


async def until(condition: Callable[[], Awaitable[object]], *, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110  what Redis knows has no event
            await asyncio.sleep(0.01)


async def listeners(model: StoredModel, document: Document) -> int:
    """How many connections hear the hints of the document's partition."""
    ((_, heard),) = await model.redis.pubsub_shardnumsub(model.hints_of(document))
    return int(heard)


async def until_followed(client: httpx.AsyncClient, waiters: int = 1) -> None:
    """Return when so many wait, hints are heard, and all that came before them has been read."""
    following = cast("QueryClient", client).following

    async def is_followed() -> bool:
        files = following._files.values()
        return (
            waiting_in(client) >= waiters
            and {file.hints for file in files} <= following._hints.heard
            and not following._unread
        )

    await until(is_followed)
    # Reads follow each other: one that was in flight is over before this one.
    await client.get("/readyz")


def waiting_in(client: httpx.AsyncClient) -> int:
    files = cast("QueryClient", client).following._files.values()
    return sum(len(file.wake_ups) for file in files)


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
    return await client.get(PATH.replace(FILE, file_id), headers=sent, timeout=ANSWERED_WITHIN_S)


@asynccontextmanager
async def one_who_waits(
    client: httpx.AsyncClient, document: Document, if_none_match: str | None = None
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A request that hints are heard for."""
    asking = waiting(client, file_id=document.file_id, if_none_match=if_none_match)
    before = waiting_in(client)
    task = asyncio.create_task(asking)
    await until_followed(client, before + 1)
    try:
        yield task
    finally:
        task.cancel()
