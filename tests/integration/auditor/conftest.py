import pytest

from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from tests.fixtures.running_projector import World


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made
