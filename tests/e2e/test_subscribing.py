"""The code that docs/subscribing.md shows follows a running projector, as it stands there."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from milepost import KafkaSettings
from milepost_local.servers import Server
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, EventData, FileDeleted, StepProgressed
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.statuses import Statuses, said
from tests.fixtures.workload import Publishing

DOCUMENT = (Path(__file__).parents[2] / "docs" / "subscribing.md").read_text()
WITH_CONFLUENT_KAFKA, WITH_MILEPOST = re.findall(
    r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL
)
FILES = [f"file_{number}" for number in range(20)]


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str, tmp_path: Path) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    (tmp_path / ".milepost").mkdir()
    stack = {"kafka_bootstrap_servers": kafka.address}
    (tmp_path / ".milepost" / "stack.json").write_text(json.dumps(stack))
    return made


@asynccontextmanager
async def running(code: str, directory: Path) -> AsyncIterator[Process]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=directory, stdout=PIPE
    )
    try:
        yield program
    finally:
        program.kill()
        await program.communicate()


async def lines(program: Process, count: int) -> list[str]:
    assert program.stdout is not None
    async with asyncio.timeout(60):
        return [(await program.stdout.readline()).decode().rstrip() for _ in range(count)]


async def publish(world: World, *facts: EventData) -> None:
    """Return once the projector has applied them."""
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    for fact in facts:
        publishing.publish(encode(Event(uuid4().hex, "/tests", None, fact)))
    await asyncio.to_thread(publishing.flush)
    await caught_up(world, publishing.ends)


def progressed(file_id: str, percent: int) -> StepProgressed:
    return StepProgressed(
        organization_id="org_1",
        store_id="vs_1",
        file_id=file_id,
        attempt=1,
        step="reading",
        progress_percent=percent,
    )


def deleted(file_id: str) -> FileDeleted:
    return FileDeleted(organization_id="org_1", store_id="vs_1", file_id=file_id, attempt=1)


def test_the_first_program_uses_nothing_of_ours() -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", WITH_CONFLUENT_KAFKA, re.MULTILINE)

    assert imported == ["json", "pathlib", "confluent_kafka"]


async def test_confluent_kafka_has_the_world_and_then_follows(world: World, tmp_path: Path) -> None:
    code = WITH_CONFLUENT_KAFKA.replace("milepost.status.v1", world.statuses)
    async with running_projector(world):
        await publish(world, *(progressed(file_id, 10) for file_id in FILES))
        await publish(world, deleted(FILES[0]))
    # The projector has published everything before it ended. What comes now is told by nobody:
    # the one never happened, the other is no newer.
    statuses = Statuses(world.kafka.bootstrap_servers, world.statuses)
    await statuses.begin()
    await statuses.abort(said(FILES[1], 99))
    again = said(FILES[2], 1)
    await statuses.publish(again, partition=partition_of(again.key, PARTITIONS))
    async with running(code, tmp_path) as program:
        told: list[str] = []
        while not told or not told[-1].startswith("the world"):
            told += await lines(program, 1)
        assert told.pop() == "the world has 20 files"
        newest = {line.split()[0]: line.split()[1:] for line in told}
        assert newest.pop(f"vs_1/{FILES[0]}") == ["deleted", "None"]
        assert newest == {f"vs_1/{file_id}": ["processing", "10"] for file_id in FILES[1:]}

        async with running_projector(world):
            await publish(world, progressed(FILES[3], 55))
            assert await lines(program, 1) == [f"vs_1/{FILES[3]} processing 55"]


async def test_the_package_has_the_world_and_then_follows(world: World, tmp_path: Path) -> None:
    call = "subscribe(kafka)"
    assert call in WITH_MILEPOST
    code = WITH_MILEPOST.replace(call, f"subscribe(kafka, topic={world.statuses!r})")
    async with running_projector(world):
        await publish(world, *(progressed(file_id, 10) for file_id in FILES))
        async with running(code, tmp_path) as program:
            assert sorted(await lines(program, len(FILES))) == sorted(
                f"vs_1/{file_id} processing (1, 1)" for file_id in FILES
            )
            await publish(world, deleted(FILES[3]))
            assert await lines(program, 1) == [f"vs_1/{FILES[3]} deleted"]
