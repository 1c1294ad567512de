import asyncio

import pytest

from milepost.ending import end


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("milepost.ending.CANCEL_AGAIN_S", 0.01)
    swallowed = asyncio.Event()

    async def swallow_one() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(swallow_one())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(task)
    assert swallowed.is_set()
    assert task.cancelled()
