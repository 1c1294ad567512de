import asyncio

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import Publishing, histories, shuffled

BACKLOG_FILES = 1_000
BACKLOG_ROUNDS = 80
"""Together several of the projector's batches."""


async def test_a_redis_that_is_wiped_again_while_it_is_being_opened_gets_its_metadata(
    kafka: Server, redis_server: Server, unique: str
) -> None:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    publishing = Publishing(kafka.address, world.events)
    for record in shuffled(histories(30, seed=9), seed=10):
        publishing.publish(record)
    await asyncio.to_thread(publishing.flush)
    everywhere = dict.fromkeys(range(PARTITIONS), 0) | publishing.ends

    async with running_projector(world), world.redis() as redis:
        for _ in range(8):
            await caught_up(world, everywhere)
            await wipe(redis, world.name)
            async with asyncio.timeout(30):
                while not await redis.exists(Keys(world.name).meta):
                    pass
            await wipe(redis, world.name)
        await caught_up(world, everywhere)
        async with asyncio.timeout(30):
            while not await redis.exists(Keys(world.name).meta):
                pass
        log = await read_log(kafka.address, world.events)
        assert await stored_model(redis, world.name) == expected_model(log, world.name)


async def test_a_redis_that_is_wiped_amid_a_backlog_is_filled_from_the_beginning(
    kafka: Server, redis_server: Server, unique: str
) -> None:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    publishing = Publishing(kafka.address, world.events)
    for percent in range(BACKLOG_ROUNDS):
        for number in range(BACKLOG_FILES):
            publishing.publish(progress(f"file_{number}", percent))
    await asyncio.to_thread(publishing.flush)
    begun = dict.fromkeys(range(PARTITIONS), 1)

    async with running_projector(world), world.redis() as redis:
        for _ in range(2):
            await caught_up(world, begun)
            await wipe(redis, world.name)
        await caught_up(world, publishing.ends)
        log = await read_log(kafka.address, world.events)
        assert await stored_model(redis, world.name) == expected_model(log, world.name)


def progress(file_id: str, percent: int) -> EncodedRecord:
    fact = StepProgressed(
        organization_id="org_1",
        store_id="vs_1",
        file_id=file_id,
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"{file_id}-{percent}", "/tests", None, fact))


async def wipe(redis: object, prefix: str) -> None:
    """Remove the read model at one point in time, as FLUSHALL does with everything."""
    script = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('UNLINK', key) end"
    await redis.eval(script, 0, f"{prefix}:*")  # type: ignore[attr-defined]
