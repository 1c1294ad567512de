import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from tests.faults.stand import Stand
from tests.fixtures.waiting import until

Trouble = Callable[[Any], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def being_a_replica(redis: Any) -> AsyncIterator[None]:
    await redis.replicaof("127.0.0.1", 1)
    yield
    await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def having_no_memory(redis: Any) -> AsyncIterator[None]:
    await redis.config_set("maxmemory", 1)
    yield
    await redis.config_set("maxmemory", 0)


TROUBLES: dict[str, Trouble] = {
    "ReadOnlyError": being_a_replica,
    "OutOfMemoryError": having_no_memory,
}
"""What Redis can have that takes no writes, by what the projector says of it."""


async def test_a_redis_that_takes_no_writes_is_waited_for_and_read_from(stand: Stand) -> None:
    async with stand.at_work(seed=7) as work, stand.world.redis() as redis:
        for reason, trouble in TROUBLES.items():
            async with trouble(redis):
                await until(partial(_is_told, stand, reason))
                applied = await stand.applied()
                assert await work.answer_of_a_known_file() == 200
                assert await work.answer_of_an_unheard_of_file() == 503
                assert await work.reader.is_ready()
                assert await stand.applied() == applied
            await stand.has_moved_on()


def _is_told(stand: Stand, said: str) -> bool:
    return any(said in each["reason"] for each in stand.logged("not_now"))


async def test_a_redis_that_hangs_is_503_and_its_unanswered_writes_are_repeated(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=8) as work, stand.world.redis() as redis:
        # Longer than the projector waits for an answer.
        await redis.client_pause(6_000, all=True)
        assert await work.answer_of_a_known_file() == 503
        assert not await work.reader.is_ready()
        await until(lambda: _is_told(stand, "Timeout"))
        await stand.has_moved_on()
        assert await work.answer_of_a_known_file() == 200


async def test_a_redis_that_begins_to_evict_is_neither_written_to_nor_believed(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=9) as work, stand.world.redis() as redis:
        await redis.config_set("maxmemory-policy", "allkeys-random")
        await until(lambda: stand.logged("read_model_unfit"))
        await until(lambda: stand.logged("redis_unfit", "query"))
        applied, answered = await stand.applied(), work.reader.answers[200]
        assert await work.answer_of_a_known_file() == 503
        assert await work.answer_of_an_unheard_of_file() == 503
        assert not await work.reader.is_ready()
        assert (await stand.applied(), work.reader.answers[200]) == (applied, answered)

        await redis.config_set("maxmemory-policy", "noeviction")
        await stand.has_moved_on()
        assert await work.answer_of_a_known_file() == 200

        # Until it is noticed, an owner at work would take an evicted file for a new one.
        stand.send(signal.SIGSTOP)
        await redis.config_set("maxmemory-policy", "allkeys-random")
        await redis.config_set("maxmemory", (await redis.info("memory"))["used_memory"] - 200_000)
        await until(lambda: len(stand.logged("redis_unfit", "query")) > 1)
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 0)
        stand.send(signal.SIGCONT)
        await until(lambda: "evicted" in stand.logged("read_model_unfit")[-1]["reason"])
        assert await work.answer_of_a_known_file() == 503

        await redis.flushall()
        await redis.config_resetstat()
        await stand.has_moved_on()
