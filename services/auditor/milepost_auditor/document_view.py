"""A document as the audit shows it: plain values by name, times as text."""

from typing import Any

from milepost_auditor.partition_fold import FoldedFile
from milepost_schemas.document import Document
from milepost_schemas.progress import Step
from milepost_schemas.times import format_seconds


def view(file: FoldedFile) -> dict[str, Any]:
    """All that is known of a file; its log lines as their number."""
    document = file.document
    shown: dict[str, Any] = {
        "revision": document.revision,
        "attempt": document.attempt,
        "status": document.status,
        "progress_percent": document.progress_percent,
        "current_step": document.current_step,
        **_facts(document),
        **{name: _time(getattr(document, name)) for name in _TIMES},
    }
    shown |= {f"step {step.step}": _step(step) for step in document.steps}
    return shown | {"log_lines": len(file.lines or ())}


def changes(before: FoldedFile | None, after: FoldedFile | None) -> dict[str, tuple[Any, Any]]:
    """What differs between two views, as pairs; everything that is not null in a new document."""
    was = {} if before is None else view(before)
    is_ = {} if after is None else view(after)
    names = [*is_, *(name for name in was if name not in is_)]
    return {
        name: (was.get(name), is_.get(name)) for name in names if was.get(name) != is_.get(name)
    }


_TIMES = ("started_at", "completed_at", "stalled_since", "registered_at", "deleted_at")


def _facts(document: Document) -> dict[str, Any]:
    error = document.error
    return {
        "error_code": None if error is None else error.code,
        "error_message": None if error is None else error.message,
        "name": document.name,
        "size_bytes": document.size_bytes,
        "mime_type": document.mime_type,
        "relative_path": document.relative_path,
        "chunk_count": document.chunk_count,
        "plan": " ".join(f"{step}:{weight}" for step, weight in document.plan) or None,
    }


def _step(step: Step) -> str:
    if step.is_completed:
        return "completed"
    if step.done_units is None and step.total_units is None:
        return "started"
    return f"{step.done_units or 0} of {step.total_units or '?'}"


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_seconds(seconds)
