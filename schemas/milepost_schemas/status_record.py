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
    """Whose file it is."""
    store_id: str
    """The store that the file is in."""
    file_id: str
    """The file, unique in its store."""
    revision: int
    """Counts the changes of the file; a larger one is newer."""
    offset: int
    """Offset of the event that made this revision, in the file's partition of the log."""
    attempt: int
    """The attempt at which the file was when it was deleted."""
    deleted_at: datetime
    """When the file left the store."""


class StepWeight(msgspec.Struct, frozen=True):
    """A step of the plan with its share of the whole."""

    step: str
    """The step's name."""
    weight: int
    """Its share, relative to the other steps."""


class StepReport(msgspec.Struct, frozen=True):
    """What is known of a step of the attempt."""

    step: str
    """The step's name."""
    started_at: datetime
    """When the step was first heard of."""
    completed_at: datetime | None
    """When its durable output existed, null before."""
    done_units: int | float | None
    """How many units are done, null if that was never said."""
    total_units: int | float | None
    """How many units there are, null if that was never said."""
    max_silence_s: float | None
    """Longest time in seconds that the step may give no sign of life, null for the usual."""


class FailureReport(msgspec.Struct, frozen=True):
    """Why the attempt failed."""

    code: str
    """What went wrong, for programs."""
    message: str
    """What went wrong and what to do, for the file's owner."""
    step: str | None
    """The step that failed, null if none was named."""
    retryable: bool
    """Whether another attempt may succeed without a change to the file."""


class FileDocument(msgspec.Struct, frozen=True):
    """All that Milepost says about a file that is not deleted."""

    organization_id: str
    """Whose file it is."""
    store_id: str
    """The store that the file is in."""
    file_id: str
    """The file, unique in its store."""
    revision: int
    """Counts the changes of the file; a larger one is newer."""
    offset: int
    """Offset of the event that made this revision, in the file's partition of the log."""
    attempt: int
    """The newest attempt, counted from 1."""
    deleted_at: None
    """Always null; a deleted file leaves a marker instead."""
    name: str | None
    """The file's name, null if it was never registered."""
    size_bytes: int | None
    """Size of the content, null if the file was never registered."""
    mime_type: str | None
    """Media type of the content, null if the file was never registered."""
    relative_path: str | None
    """Path below the folder it was uploaded from, null if there was none."""
    status: Status
    """Where the attempt stands."""
    progress_percent: int
    """Never falls inside an attempt; 100 means completed."""
    current_step: str | None
    """The step at work, `queued` while pending, null when completed."""
    error: FailureReport | None
    """Why the attempt failed, null if it did not."""
    started_at: datetime | None
    """The attempt's first sign of work, null if there was none."""
    completed_at: datetime | None
    """When the attempt ended, completed or failed, null before."""
    stalled_since: datetime | None
    """Since when a step gives no sign of life, null while it does."""
    chunk_count: int | None
    """How many chunks the completed file has, null if that was never said."""
    registered_at: datetime | None
    """When the file was registered, null if it never was."""
    created_at: datetime
    """When the file was first heard of."""
    updated_at: datetime
    """When this revision was made."""
    plan: list[StepWeight]
    """The steps of the attempt, empty without a plan."""
    steps: list[StepReport]
    """The steps that were heard of, in the order of their first start."""


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
