import asyncio

import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.running_projector import World, caught_up, running_projector, wall_ms
from tests.fixtures.workload import Publishing, histories, shuffled

AN_HOUR_MS = 3_600_000


class Clock:
    """The projector's clock, which somebody sets."""

    ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


async def as_ofs(world: World) -> list[int]:
    names = [Keys(world.name).partition(1, number).checkpoint for number in range(PARTITIONS)]
    async with world.redis() as redis:
        stored = await redis.mget(names)
    return [Checkpoint.decode(value).as_of_ms if value else 0 for value in stored]


async def all_claim_a_time_after(world: World, set_at_ms: int) -> None:
    """Wait until each partition has claimed anew since the clock was set."""
    async with asyncio.timeout(60):
        while not all(  # noqa: ASYNC110  no event tells
            0 < as_of - set_at_ms < AN_HOUR_MS // 2 for as_of in await as_ofs(world)
        ):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("jump_ms", [AN_HOUR_MS, -AN_HOUR_MS], ids=["ahead", "back"])
async def test_a_clock_that_jumps_and_is_set_right_changes_no_document_and_leaves_no_claim(
    kafka: Server, redis_server: Server, unique: str, jump_ms: int
) -> None:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    clock, publishing = Clock(), Publishing(kafka.address, world.events)
    records = list(shuffled(histories(60, seed=11), seed=12))

    async with running_projector(world, clock_ms=clock):
        for clock.ahead_ms, start in ((0, 0), (jump_ms, 1), (0, 2)):
            for record in records[start::3]:
                publishing.publish(record)
            await asyncio.to_thread(publishing.flush)
            await caught_up(world, publishing.ends)
            await all_claim_a_time_after(world, clock())

    expected = expected_model(await read_log(kafka.address, world.events), world.name)
    async with world.redis() as redis:
        assert await stored_model(redis, world.name) == expected
    assert await newest_statuses(world) == told_by(expected)
