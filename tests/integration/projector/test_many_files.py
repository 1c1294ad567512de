import asyncio
from collections.abc import Iterator
from itertools import count, islice

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.projector import DOCUMENTS_IN_MEMORY
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import Publishing

FILES = 3 * DOCUMENTS_IN_MEMORY * 9 // 5
ROUNDS = 12


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


def files_of_three_partitions() -> Iterator[str]:
    names = (f"file_{number}" for number in count())
    return (name for name in names if partition_of(f"vs_1/{name}".encode(), PARTITIONS) < 3)


async def test_files_that_memory_has_no_room_for_go_on_from_what_is_stored(
    kafka: Server, redis_server: Server, unique: str
) -> None:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    publishing = Publishing(kafka.address, world.events)
    unheard_of = files_of_three_partitions()
    names = list(islice(unheard_of, FILES))
    for percent in range(ROUNDS):
        for number, name in enumerate(names):
            publishing.publish(progress(name, percent))
            # Every batch has to read something, while the one before it is being written.
            if number % 100 == 0:
                publishing.publish(progress(next(unheard_of), percent))
    await asyncio.to_thread(publishing.flush)

    async with running_projector(world):
        await caught_up(world, publishing.ends)

    expected = expected_model(await read_log(kafka.address, world.events), world.name)
    async with world.redis() as redis:
        assert await stored_model(redis, world.name) == expected
    assert await newest_statuses(world) == told_by(expected)
