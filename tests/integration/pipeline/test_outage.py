"""Kafka goes away while files are in work, and comes back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_local.providers import own_kafka
from milepost_local.servers import OwnServer
from milepost_local.settings import LocalSettings
from milepost_pipeline.__main__ import run
from milepost_pipeline.ingest import IngestTarget, ingest_files
from milepost_pipeline.settings import Settings
from milepost_schemas.events import ProcessingFailed, StepStarted
from milepost_schemas.topics import EVENTS
from tests.fixtures import odd_files
from tests.integration.pipeline.running import ORGANIZATION_ID, STORE_ID, Log, until

FILES = [odd_files.SAMPLES / name for name in ("lighthouses.pdf", "tea.docx", "bees.md")] * 6


@dataclass
class Outage:
    """A pipeline in the middle of its work, on a Kafka that may be killed."""

    server: OwnServer
    log: Log
    file_ids: list[str]
    stopping: asyncio.Event
    running: asyncio.Task[None]


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncIterator[Outage]:
    server = own_kafka(tmp_path / "kafka", LocalSettings())
    await server.start()
    kafka = KafkaSettings(bootstrap_servers=server.address)
    await create_topics(kafka, [EVENTS])
    settings = Settings(
        objects_url=(tmp_path / "objects").as_uri(), index_file=tmp_path / "index.sqlite"
    )
    target = IngestTarget(ORGANIZATION_ID, STORE_ID, kafka, settings.objects_url)
    stopping = asyncio.Event()
    running = asyncio.create_task(run(settings, kafka, stopping))
    async with Log().following(kafka, EVENTS.name) as log:
        files = [file.file_id for file in await ingest_files(FILES, target=target)]
        await until(lambda: sum(isinstance(event, StepStarted) for event in log.events) > 10)
        server.kill()
        yield Outage(server, log, files, stopping, running)
        stopping.set()
        await running
    await server.stop()


async def test_files_in_work_complete_after_an_outage_of_kafka(outage: Outage) -> None:
    await outage.server.start()

    for file_id in outage.file_ids:
        assert (await outage.log.ended(file_id)).status == "completed"
    assert not any(isinstance(event, ProcessingFailed) for event in outage.log.events)
    assert not outage.running.done()


async def test_it_stops_soon_while_kafka_is_away(outage: Outage) -> None:
    async with asyncio.timeout(20):
        outage.stopping.set()
        await outage.running
