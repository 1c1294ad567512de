"""Ends tasks for good."""

import asyncio
from typing import Any, Final

CANCEL_AGAIN_S: Final = 1.0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    Python 3.11's `asyncio.wait_for`, which libraries may use, can lose a cancellation that comes
    at the very moment of an answer; then once would not do.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
