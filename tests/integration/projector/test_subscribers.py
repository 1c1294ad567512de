"""What a subscriber is told while projectors come, go and publish things again."""

import asyncio
from collections import defaultdict

import pytest

from milepost import Change, DeletedFile, FileDocument, KafkaSettings, subscribe
from milepost_local.servers import Server
from milepost_schemas.record import decode_record
from milepost_schemas.status_record import decode_status, encode_status
from tests.fixtures.expected_model import expected_model, read_log
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing, histories, shuffled
from tests.integration.projector.test_projection import wipe


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


async def expected_documents(world: World) -> dict[str, FileDocument | DeletedFile]:
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    values = [
        value for value in expected_model(log, world.name).values() if isinstance(value, bytes)
    ]
    documents = [decode_status(encode_status(decode_record(value))) for value in values]
    return {f"{document.store_id}/{document.file_id}": document for document in documents}


async def test_a_subscriber_knows_every_file_though_all_is_published_twice(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    records = list(shuffled(histories(60, seed=11), seed=12))
    told: dict[str, list[Change]] = defaultdict(list)
    changes = subscribe(world.kafka, topic=world.statuses)

    async def collect() -> None:
        async for change in changes:
            told[change.key].append(change)

    collecting = asyncio.create_task(collect())
    for half in (records[: len(records) // 2], records[len(records) // 2 :]):
        for record in half:
            publishing.publish(record)
        await asyncio.to_thread(publishing.flush)
        async with running_projector(world), world.redis() as redis:
            await caught_up(world, publishing.ends)
            # Without its positions, the next projector publishes everything again.
            await wipe(redis, world.name)
    async with running_projector(world):
        await caught_up(world, publishing.ends)
    expected = await expected_documents(world)

    def newest() -> dict[str, FileDocument | DeletedFile]:
        return {key: of_file[-1].document for key, of_file in told.items()}

    await until(lambda: newest() == expected, within_s=60)
    collecting.cancel()
    await asyncio.wait([collecting])
    assert changes.skipped["old"] >= len(expected)
    assert any(isinstance(document, DeletedFile) for document in expected.values())
    for of_file in told.values():
        versions = [change.version for change in of_file]
        assert versions == sorted(set(versions))
