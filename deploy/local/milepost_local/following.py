"""Follows files over HTTP, like any client, until all of them have ended."""

import asyncio
from collections.abc import Callable, Sequence

from milepost.async_knowledge import AsyncKnowledge
from milepost.errors import NotFoundError, NotReadyError, ServerError, UnreachableError
from milepost.http import AsyncMilepost
from milepost_local.board import FollowedFile
from milepost_local.stack_file import Stack

_ASK_EVERY_S = 0.25
_AT_ONCE = 16


async def follow(stack: Stack, files: Sequence[FollowedFile], changed: Callable[[], None]) -> None:
    """Asks for the files' statuses in turns; returns once each is completed, failed or deleted.

    While the query service is away or not ready, the statuses stay as they were.

    Raises:
        MilepostError: The service answers, but not with a status.
    """
    turn = asyncio.Semaphore(_AT_ONCE)
    async with AsyncMilepost(base_url=stack.query_url, api_key=stack.api_key) as client:

        async def ask(file: FollowedFile) -> None:
            async with turn:
                await _ask(client.knowledge, stack, file)

        while running := [file for file in files if not file.is_terminal]:
            await asyncio.gather(*map(ask, running))
            changed()
            await asyncio.sleep(_ASK_EVERY_S)


async def _ask(knowledge: AsyncKnowledge, stack: Stack, file: FollowedFile) -> None:
    try:
        file.status = await knowledge.get_processing_status(
            organization_id=stack.organization_id, store_id=stack.store_id, file_id=file.file_id
        )
    except NotFoundError:
        # It was acknowledged before it was asked for, so somebody has deleted it since.
        file.is_deleted = True
    except (NotReadyError, ServerError, UnreachableError):
        return
