"""Ends tasks for good."""

import asyncio
from typing import Any, Final

CANCEL_AGAIN_S: Final = 1.0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    A cancellation that comes at the very moment of an answer is lost in the client libraries'
    `asyncio.wait_for`, as Python 3.11 has it: once would not do.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
