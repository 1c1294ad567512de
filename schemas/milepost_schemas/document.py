"""The document: all that Milepost says about one file, and the status answer from it."""

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
