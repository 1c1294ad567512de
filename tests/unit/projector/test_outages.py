import asyncio

from milepost_projector.outages import pause, unless


async def test_a_pause_that_is_cut_short_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    pausing = asyncio.create_task(pause(asyncio.Event(), 60))
    await asyncio.sleep(0)
    pausing.cancel()
    await asyncio.wait([pausing])
    # The task that waits for the stop ends in the loop's next turn.
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_an_order_to_stop_ends_work_that_waits_for_kafka() -> None:
    stopping = asyncio.Event()
    waiting = asyncio.create_task(unless(stopping, asyncio.sleep(60, "done")))
    await asyncio.sleep(0)
    stopping.set()
    assert await waiting is None
    assert await unless(asyncio.Event(), asyncio.sleep(0, "done")) == "done"


async def test_a_wait_that_is_cancelled_takes_its_work_along() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(unless(asyncio.Event(), work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert ended.is_set()
