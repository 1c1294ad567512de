import os
import signal
from pathlib import Path

from tests.faults.stand import STRIDE, WATCHED_FILES, Stand
from tests.fixtures.waiting import until


async def test_a_redis_that_is_killed_is_waited_for(stand: Stand) -> None:
    async with stand.at_work(seed=2):
        for _ in range(2):
            stand.redis.kill()
            await stand.redis.start()
            await stand.has_moved_on()


async def test_a_wiped_redis_is_filled_again_while_events_come_in(stand: Stand) -> None:
    async with stand.at_work(seed=3):
        async with stand.world.redis() as redis:
            await redis.flushall()
        await stand.has_moved_on()


async def test_a_redis_that_was_replaced_by_an_empty_one_is_filled_from_the_log(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=15):
        stand.redis.kill()
        folder = append_only_file(stand).parent
        folder.rename(folder.with_name(stand.world.name))
        await stand.redis.start()
        await stand.has_moved_on()


async def test_a_redis_that_lost_its_tail_is_not_believed_and_brought_up_again(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=4) as work:
        file = append_only_file(stand)
        kept_bytes, kept = file.stat().st_size, await stand.applied()
        await until(lambda: work.load.acknowledged > kept + 2 * STRIDE)
        # While the owner sleeps, readers are alone with what Redis has left.
        stand.send(signal.SIGSTOP)
        stand.redis.kill()
        os.truncate(file, kept_bytes)
        await stand.redis.start()
        assert 0 < await stand.applied() <= kept + STRIDE
        answers = work.reader.answers.total()
        await until(lambda: work.reader.answers.total() > answers + 4 * WATCHED_FILES)
        stand.send(signal.SIGCONT)
        await stand.has_moved_on()


def append_only_file(stand: Stand) -> Path:
    folder = stand.redis.log.parent.parent / "redis" / "appendonlydir"
    return max(folder.glob("*.incr.aof"), key=lambda file: file.stat().st_mtime)
