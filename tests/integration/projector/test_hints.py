import asyncio
from pathlib import Path

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, ProcessingCompleted, StepStarted
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import Publishing
from tests.integration.query.files import FILE, STORE
from tests.integration.query.running import KEYS, ORGANIZATION, running_query, write_keys
from tests.integration.query.waiting_clients import NEVER_S, until_followed, waiting


async def test_what_a_projector_applies_ends_a_wait_without_any_poll(
    kafka: Server, redis_server: Server, unique: str, tmp_path: Path
) -> None:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    write_keys(tmp_path / "keys.json", KEYS)
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    started = StepStarted(
        organization_id=ORGANIZATION, store_id=STORE, file_id=FILE, attempt=1, step="reading"
    )
    completed = ProcessingCompleted(
        organization_id=ORGANIZATION, store_id=STORE, file_id=FILE, attempt=1
    )
    async with (
        running_projector(world),
        running_query(
            world.redis_url,
            prefix=world.name,
            api_keys=ApiKeys(tmp_path / "keys.json"),
            poll_every_s=NEVER_S,
        ) as client,
    ):
        publishing.publish(encode(Event("id-1", "/tests", None, started)))
        await asyncio.to_thread(publishing.flush)
        await caught_up(world, publishing.ends)
        wait = asyncio.create_task(waiting(client))
        await until_followed(client)
        publishing.publish(encode(Event("id-2", "/tests", None, completed)))
        await asyncio.to_thread(publishing.flush)

        assert (await wait).json()["status"] == "completed"
