"""Files into the pipeline: content into the object store first, then the event that asks for it."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from milepost.connection import KafkaSettings
from milepost.errors import MilepostError
from milepost.reporter import AsyncReporter
from milepost_pipeline.content import FileRef, put_content
from milepost_pipeline.filetypes import guess_mime_type
from milepost_pipeline.objects import ObjectStore
from milepost_schemas.topics import EVENTS

SOURCE = "milepost.ingest"


class UnreadableFileError(MilepostError):
    """A local file cannot be opened; nothing of it was ingested."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot read {path}: {reason}")
        self.path = path


@dataclass(frozen=True)
class IngestTarget:
    """Which store files go into, and where its content and its log are."""

    organization_id: str
    store_id: str
    kafka: KafkaSettings
    objects_url: str
    topic: str = EVENTS.name


@dataclass(frozen=True)
class IngestedFile:
    """A local file, and the id under which it can be asked for."""

    path: Path
    file_id: str


async def ingest_files(
    files: Sequence[Path],
    *,
    target: IngestTarget,
    on_ingested: Callable[[IngestedFile], None] = lambda _: None,
) -> list[IngestedFile]:
    """Store each file and register it, in order; Kafka has acknowledged all that is returned.

    Args:
        files: regular files.
        target: where they go.
        on_ingested: called after each file.

    Raises:
        UnreadableFileError: a file cannot be opened; those before it are ingested.
        NotNowError: the object store does not take a file.
        PublishError: Kafka does not take an event.
    """
    objects = ObjectStore(target.objects_url)
    ingested = []
    async with AsyncReporter(target.kafka, source=SOURCE, topic=target.topic) as reporter:
        for path in files:
            file = FileRef(target.organization_id, target.store_id, _new_file_id())
            await _ingest(path, file, objects, reporter)
            ingested.append(IngestedFile(path, file.file_id))
            on_ingested(ingested[-1])
    return ingested


def _new_file_id() -> str:
    return f"file_{secrets.token_hex(12)}"


async def _ingest(path: Path, file: FileRef, objects: ObjectStore, reporter: AsyncReporter) -> None:
    size_bytes = await asyncio.to_thread(_size_of, path)
    content_uri = await put_content(objects, file, path)
    report = reporter.file(
        organization_id=file.organization_id, store_id=file.store_id, file_id=file.file_id
    )
    # File systems allow names that are not text.
    name = path.name.encode(errors="replace").decode()
    await report.registered(
        name=name,
        size_bytes=size_bytes,
        mime_type=guess_mime_type(name),
        content_uri=content_uri,
    )


def _size_of(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return file.seek(0, 2)
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or str(error)) from error
