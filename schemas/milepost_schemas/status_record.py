"""The records of the status topic: the newest document of a file, or the marker of a deleted one.

A record's key is the file's key, its value JSON. Its headers are CloudEvents attributes and, for
readers that decode nothing, generation and revision.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from milepost_schemas.document import Document, FileError, Status
from milepost_schemas.progress import Step

STATUS_TYPE: Final = "milepost.file.status.v1"
GENERATION_HEADER: Final = "milepost-generation"
REVISION_HEADER: Final = "milepost-revision"

_CONSTANT_HEADERS: Final = [
    ("ce_specversion", b"1.0"),
    ("ce_type", STATUS_TYPE.encode()),
    ("ce_source", b"milepost.projector"),
    ("content-type", b"application/json"),
]


class DeletedFile(msgspec.Struct, frozen=True):
    """The marker that a deleted file leaves: who it was, and the revision that deleted it."""

    organization_id: str
    store_id: str
    file_id: str
    revision: int
    offset: int
    attempt: int
    deleted_at: datetime


class StepWeight(msgspec.Struct, frozen=True):
    """A step of the plan with its share of the whole."""

    step: str
    weight: int


class StepReport(msgspec.Struct, frozen=True):
    """What is known of a step of the attempt."""

    step: str
    started_at: datetime
    completed_at: datetime | None
    done_units: int | float | None
    total_units: int | float | None
    max_silence_s: float | None


class FailureReport(msgspec.Struct, frozen=True):
    """Why the attempt failed."""

    code: str
    message: str
    step: str | None
    retryable: bool


class FileDocument(msgspec.Struct, frozen=True):
    """All that Milepost says about a file that is not deleted."""

    organization_id: str
    store_id: str
    file_id: str
    revision: int
    """Counts the changes of the file; a larger one is newer."""
    offset: int
    """Offset of the event that made this revision, in the file's partition of the log."""
    attempt: int
    deleted_at: None
    name: str | None
    size_bytes: int | None
    mime_type: str | None
    relative_path: str | None
    status: Status
    progress_percent: int
    current_step: str | None
    error: FailureReport | None
    started_at: datetime | None
    completed_at: datetime | None
    stalled_since: datetime | None
    """Since when a step gives no sign of life, null while it does."""
    chunk_count: int | None
    registered_at: datetime | None
    created_at: datetime
    updated_at: datetime
    plan: list[StepWeight]
    steps: list[StepReport]


_encoder = msgspec.json.Encoder()
_document_decoder = msgspec.json.Decoder(FileDocument)
_deleted_decoder = msgspec.json.Decoder(DeletedFile)


def status_headers(document: Document, generation: int) -> list[tuple[str, bytes]]:
    """The headers of the record; `ce_id` is the same whenever this revision is published."""
    revision = b"%d" % document.revision
    ce_id = f"{document.store_id}/{document.file_id}/{generation}.{document.revision}"
    return [
        *_CONSTANT_HEADERS,
        ("ce_id", ce_id.encode()),
        (GENERATION_HEADER, b"%d" % generation),
        (REVISION_HEADER, revision),
    ]


def encode_status(document: Document) -> bytes:
    """The value of the record; a deleted file's marker has no more than its identity."""
    return _encoder.encode(_deleted(document) if document.is_deleted else _present(document))


def decode_status(value: bytes) -> FileDocument | DeletedFile:
    """What the value of a record says; unknown fields are ignored.

    Raises:
        msgspec.DecodeError: it is no status record.
    """
    try:
        return _document_decoder.decode(value)
    except msgspec.ValidationError:
        return _deleted_decoder.decode(value)


@lru_cache(maxsize=16_384)
def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _certain(seconds: int | None) -> datetime:
    moment = _moment(seconds)
    assert moment is not None  # noqa: S101  narrows a type
    return moment


def _deleted(document: Document) -> DeletedFile:
    return DeletedFile(
        organization_id=document.organization_id,
        store_id=document.store_id,
        file_id=document.file_id,
        revision=document.revision,
        offset=document.offset,
        attempt=document.attempt,
        deleted_at=_certain(document.deleted_at),
    )


def _present(document: Document) -> FileDocument:
    # By position: keywords cost as much again, and this runs for every changed file.
    return FileDocument(
        document.organization_id,
        document.store_id,
        document.file_id,
        document.revision,
        document.offset,
        document.attempt,
        None,
        document.name,
        document.size_bytes,
        document.mime_type,
        document.relative_path,
        document.status,
        document.progress_percent,
        document.current_step,
        None if document.error is None else _failure(document.error),
        _moment(document.started_at),
        _moment(document.completed_at),
        _moment(document.stalled_since),
        document.chunk_count,
        _moment(document.registered_at),
        _certain(document.created_at),
        _certain(document.updated_at),
        [StepWeight(step, weight) for step, weight in document.plan],
        [_step(step) for step in document.steps],
    )


def _step(step: Step) -> StepReport:
    return StepReport(
        step.step,
        _certain(step.started_at),
        _moment(step.completed_at),
        step.done_units,
        step.total_units,
        step.max_silence_s,
    )


def _failure(error: FileError) -> FailureReport:
    return FailureReport(error.code, error.message, error.step, error.retryable)
