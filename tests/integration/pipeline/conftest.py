from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost.publisher import Publisher
from milepost_local.servers import Server
from milepost_pipeline.index import VectorIndex
from milepost_pipeline.objects import ObjectStore
from milepost_pipeline.reader import Reader, ReaderLimits
from milepost_pipeline.settings import Settings
from milepost_pipeline.vectors import Embedder
from milepost_schemas.topics import EVENTS, Topic
from tests.integration.pipeline.running import Bench, Log


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "objects").as_uri())


@pytest.fixture
def index(tmp_path: Path) -> VectorIndex:
    return VectorIndex(tmp_path / "index" / "index.sqlite")


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture
async def reader(objects: ObjectStore) -> AsyncIterator[Reader]:
    limits = ReaderLimits(workers=1, timeout_s=30, max_memory_bytes=1_000_000_000)
    async with Reader(objects.url, limits) as reader:
        yield reader


@pytest.fixture
async def bench(
    kafka: Server, unique: str, tmp_path: Path, embedder: Embedder
) -> AsyncIterator[Bench]:
    connection = KafkaSettings(bootstrap_servers=kafka.address)
    topic = Topic(f"{unique}.events", EVENTS.partitions, EVENTS.configs)
    await create_topics(connection, [topic])
    settings = Settings(
        objects_url=(tmp_path / "objects").as_uri(),
        index_file=tmp_path / "index.sqlite",
        events_topic=topic.name,
        pipeline_group=unique,
    )
    async with (
        Publisher(connection) as publisher,
        Log().following(connection, topic.name) as log,
    ):
        yield Bench(connection, settings, log, publisher, embedder)
