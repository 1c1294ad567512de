"""One suite for the fake subscription and for the real one, behind a projector at work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from milepost import AsyncReporter, Cadence, Change, DeletedFile, KafkaSettings, subscribe
from milepost.memory_log import MemoryLog
from milepost.subscription import Subscription
from milepost.testing import FakeAsyncReporter, FakeSubscription
from milepost_local.servers import Server
from tests.fixtures.running_projector import World as Topics
from tests.fixtures.running_projector import running_projector
from tests.fixtures.waiting import until

SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@dataclass(frozen=True)
class World:
    """Where files are reported, and how one subscribes to them."""

    report: Callable[[], AsyncReporter]
    subscribe: Callable[..., Subscription]
    """With `live`."""

    async def register(self, file_id: str) -> None:
        async with self.report() as reporter:
            file = reporter.file(organization_id="org_1", store_id="vs_1", file_id=file_id)
            await file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")

    async def delete(self, file_id: str) -> None:
        async with self.report() as reporter:
            file = reporter.file(organization_id="org_1", store_id="vs_1", file_id=file_id)
            await file.deleted()

    async def knows(self, count: int) -> None:
        """Return once a subscriber's world has so many changes."""
        async with asyncio.timeout(60):
            while len([change async for change in self.subscribe(live=False)]) < count:
                pass


@pytest.fixture(params=["fake", "real"])
def servers(request: pytest.FixtureRequest) -> tuple[Server, Server] | None:
    """Kafka and Redis where the real thing is to be tested; they start without a loop."""
    if request.param == "fake":
        return None
    return request.getfixturevalue("kafka"), request.getfixturevalue("redis_server")


@pytest.fixture
async def world(servers: tuple[Server, Server] | None, unique: str) -> AsyncIterator[World]:
    if servers is None:
        log = MemoryLog()
        yield World(
            lambda: FakeAsyncReporter(log, cadence=SLOW),
            lambda live: FakeSubscription(log, live=live),
        )
        return
    kafka, redis_server = servers
    connection = KafkaSettings(bootstrap_servers=kafka.address)
    topics = Topics(unique, connection, redis_server.address)
    await topics.create()
    async with running_projector(topics):
        yield World(
            lambda: AsyncReporter(connection, source="test", topic=topics.events, cadence=SLOW),
            lambda live: subscribe(connection, topic=topics.statuses, live=live),
        )


async def test_a_log_without_events_is_a_world_without_files(world: World) -> None:
    changes = world.subscribe(live=False)

    assert [change async for change in changes] == []
    assert changes.world_told.is_set()


async def test_first_comes_the_world_and_then_what_happens(world: World) -> None:
    await world.register("file_1")
    await world.register("file_2")
    await world.knows(2)
    changes, told = world.subscribe(live=True), list[Change]()

    async def collect() -> None:
        async for change in changes:
            assert len(told) >= 2 or not changes.world_told.is_set()
            told.append(change)

    collecting = asyncio.create_task(collect())
    await asyncio.wait_for(changes.world_told.wait(), 60)
    assert sorted(change.key for change in told) == ["vs_1/file_1", "vs_1/file_2"]
    await world.delete("file_1")
    await until(lambda: len(told) > 2, within_s=60)
    collecting.cancel()
    await asyncio.wait([collecting])

    assert isinstance(told[-1].document, DeletedFile)
    assert (told[-1].key, told[-1].version) == ("vs_1/file_1", (1, 2))
    first = next(change for change in told if change.key == "vs_1/file_1")
    assert first.position.offset < told[-1].position.offset


async def test_a_duplicate_is_no_change(world: World) -> None:
    await world.register("file_1")
    await world.register("file_1")
    await world.register("file_2")
    await world.knows(2)

    told = [change.version async for change in world.subscribe(live=False)]

    assert told == [(1, 1), (1, 1)]
