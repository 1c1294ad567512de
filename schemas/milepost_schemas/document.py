"""The document: all that Milepost says about one file, and its two renderings."""

from typing import Literal

import msgspec

from milepost_schemas.progress import HIGHEST_UNFINISHED, Step, planned_percent
from milepost_schemas.times import format_seconds

Status = Literal["pending", "processing", "completed", "failed"]
TERMINAL: frozenset[Status] = frozenset({"completed", "failed"})
QUEUED = "queued"
"""The `current_step` of a file that no stage has taken up yet."""


class FileError(msgspec.Struct, array_like=True):
    """Why the attempt failed."""

    code: str
    message: str
    step: str | None
    retryable: bool


class Document(msgspec.Struct, array_like=True):
    """The fold of a file's events so far. Times are whole seconds since 1970.

    A new document has revision 0: it says nothing yet and is not to be stored. Only the fold
    changes a document.
    """

    organization_id: str
    store_id: str
    file_id: str
    revision: int = 0
    attempt: int = 1
    status: Status = "pending"
    explicit_percent: int = 0
    """Largest percentage of the whole file that a publisher named; 100 when completed."""
    current_step: str | None = QUEUED
    started_at: int | None = None
    completed_at: int | None = None
    error: FileError | None = None
    steps: list[Step] = []
    """In the order of their first start in the log."""
    plan: list[tuple[str, int]] = []
    """Step names and weights; empty without a plan."""
    chunk_count: int | None = None
    stalled_since: int | None = None
    name: str | None = None
    size_bytes: int | None = None
    mime_type: str | None = None
    relative_path: str | None = None
    registered_at: int | None = None
    created_at: int = 0
    """When the file was first heard of; lists are sorted by it."""
    updated_at: int = 0
    deleted_at: int | None = None
    offset: int = -1
    """Offset of the event that made this revision."""
    registration_ms: int | None = None
    """Not rendered: the time of the registration that name, size and so on are from."""
    signed_at_ms: int = 0
    """Not rendered: the last sign of life, by the broker's clock."""

    @property
    def progress_percent(self) -> int:
        """The largest of what publishers named and what the plan's steps come to, below 100.

        Neither ever falls inside an attempt, so this does not either.
        """
        if not self.plan or self.status in ("pending", "completed"):
            return self.explicit_percent
        planned = min(planned_percent(self.plan, self.steps), HIGHEST_UNFINISHED)
        return max(self.explicit_percent, planned)

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    def find_step(self, name: str) -> Step | None:
        steps = self.steps
        if steps and steps[-1].step == name:
            return steps[-1]
        for step in steps:
            if step.step == name:
                return step
        return None


class _StatusBody(msgspec.Struct):
    """The six keys, in the order of the interface."""

    status: str
    progress_percent: int
    current_step: str | None
    error_message: str | None
    started_at: str | None
    completed_at: str | None


_json = msgspec.json.Encoder()


def _text(seconds: int | None) -> str | None:
    return None if seconds is None else format_seconds(seconds)


def render_status(document: Document) -> bytes:
    """The status answer: a JSON object with the six keys, always all of them."""
    return _json.encode(
        _StatusBody(
            document.status,
            document.progress_percent,
            document.current_step,
            None if document.error is None else document.error.message,
            _text(document.started_at),
            _text(document.completed_at),
        )
    )


def render_document(document: Document) -> bytes:
    """The full document as a JSON object; a deleted file's is a marker with its revision."""
    identity = {
        "organization_id": document.organization_id,
        "store_id": document.store_id,
        "file_id": document.file_id,
        "revision": document.revision,
        "offset": document.offset,
        "attempt": document.attempt,
        "deleted_at": _text(document.deleted_at),
    }
    return _json.encode(identity if document.is_deleted else identity | _details(document))


def _details(document: Document) -> dict[str, object]:
    return {
        "name": document.name,
        "size_bytes": document.size_bytes,
        "mime_type": document.mime_type,
        "relative_path": document.relative_path,
        "status": document.status,
        "progress_percent": document.progress_percent,
        "current_step": document.current_step,
        "error": None if document.error is None else _fields(document.error),
        "started_at": _text(document.started_at),
        "completed_at": _text(document.completed_at),
        "stalled_since": _text(document.stalled_since),
        "chunk_count": document.chunk_count,
        "registered_at": _text(document.registered_at),
        "created_at": format_seconds(document.created_at),
        "updated_at": format_seconds(document.updated_at),
        "plan": [{"step": step, "weight": weight} for step, weight in document.plan],
        "steps": [_step(step) for step in document.steps],
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "step": step.step,
        "started_at": _text(step.started_at),
        "completed_at": _text(step.completed_at),
        "done_units": step.done_units,
        "total_units": step.total_units,
        "max_silence_s": step.max_silence_s,
    }


def _fields(struct: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
