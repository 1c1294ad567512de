"""A pipeline at work on a log of the test's own, and the log as a subscriber sees it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from milepost.connection import KafkaSettings
from milepost.file_report import AsyncFileReport
from milepost.publisher import Publisher
from milepost.reporter import AsyncReporter
from milepost_pipeline.__main__ import run
from milepost_pipeline.content import FileRef
from milepost_pipeline.index import Hit, VectorIndex
from milepost_pipeline.ingest import IngestTarget, ingest_files
from milepost_pipeline.objects import ObjectStore
from milepost_pipeline.settings import Settings
from milepost_pipeline.vectors import Embedder
from milepost_schemas.codec import decode
from milepost_schemas.document import Document
from milepost_schemas.events import EventData
from milepost_schemas.fold import apply

ORGANIZATION_ID = "org_a"
STORE_ID = "vs_a"

E = TypeVar("E", bound=EventData)


async def until(condition: Callable[[], bool], deadline_s: float = 60) -> None:
    """Wait for a condition; a missed deadline is a failed test."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await asyncio.sleep(0.02)


@dataclass
class Log:
    """Everything in the log so far, and the documents that it folds to."""

    events: list[EventData] = field(default_factory=list)
    documents: dict[str, Document | None] = field(default_factory=dict)

    def of(self, file_id: str, type_: type[E]) -> list[E]:
        """Return the file's events of a type, in order."""
        return [e for e in self.events if isinstance(e, type_) and e.file_id == file_id]

    def steps(self, file_id: str, type_: type[Any]) -> list[str]:
        return [event.step for event in self.of(file_id, type_)]

    async def ended(self, file_id: str, *, attempt: int = 1) -> Document:
        """Return the file's document once the attempt is completed or failed."""

        def is_over() -> bool:
            document = self.documents.get(file_id)
            return (
                document is not None
                and document.attempt >= attempt
                and document.status in {"completed", "failed"}
            )

        await until(is_over)
        document = self.documents[file_id]
        assert document is not None
        return document

    def _read(self, record: ConsumerRecord) -> None:
        event = decode(record.key, record.value, record.headers)
        self.events.append(event.data)
        file_id = event.data.file_id
        self.documents[file_id] = apply(
            self.documents.get(file_id), event, record.offset, record.timestamp
        )

    @asynccontextmanager
    async def following(self, kafka: KafkaSettings, topic: str) -> AsyncIterator["Log"]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers, enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([TopicPartition(topic, number) for number in range(12)])
        await consumer.seek_to_beginning()
        reading = asyncio.create_task(self._follow(consumer))
        try:
            yield self
        finally:
            reading.cancel()
            # Without a broker, aiokafka's stop ends in a cancellation of its own.
            await asyncio.wait([reading, asyncio.create_task(consumer.stop())])

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    self._read(record)


@dataclass
class Bench:
    """A log, an object store and an index; the pipeline on them is started by the test."""

    kafka: KafkaSettings
    settings: Settings
    log: Log
    publisher: Publisher
    embedder: Embedder

    @property
    def objects(self) -> ObjectStore:
        return ObjectStore(self.settings.objects_url)

    async def ingest(self, path: Path) -> str:
        target = IngestTarget(
            ORGANIZATION_ID,
            STORE_ID,
            self.kafka,
            self.settings.objects_url,
            topic=self.settings.events_topic,
        )
        (ingested,) = await ingest_files([path], target=target)
        return ingested.file_id

    def report(self, file_id: str, *, attempt: int = 1, source: str = "test") -> AsyncFileReport:
        reporter = AsyncReporter(self.publisher, source=source, topic=self.settings.events_topic)
        return reporter.file(
            organization_id=ORGANIZATION_ID, store_id=STORE_ID, file_id=file_id, attempt=attempt
        )

    def search(self, question: str, limit: int = 5) -> list[Hit]:
        vector = self.embedder.embed([question])[0]
        index = VectorIndex(self.settings.index_file)
        return index.search(ORGANIZATION_ID, STORE_ID, vector, limit)

    @asynccontextmanager
    async def pipeline(self, **changes: object) -> AsyncIterator[None]:
        """Run the four stages inside the block, then stop them as SIGTERM does."""
        settings = self.settings.model_copy(update=changes)
        stopping = asyncio.Event()
        running = asyncio.create_task(run(settings, self.kafka, stopping))
        try:
            yield
        finally:
            stopping.set()
            await running


def ref(file_id: str) -> FileRef:
    return FileRef(ORGANIZATION_ID, STORE_ID, file_id)
