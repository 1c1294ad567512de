"""aiokafka's own tasks, which can end without anybody being told."""

import asyncio
from typing import Any


async def kill_tasks(name: str) -> None:
    """End the tasks that run the named coroutine; at least one has to be there."""
    tasks = [task for task in asyncio.all_tasks() if _name(task) == name]
    assert tasks, name
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _name(task: "asyncio.Task[Any]") -> str:
    return getattr(task.get_coro(), "__qualname__", "")
