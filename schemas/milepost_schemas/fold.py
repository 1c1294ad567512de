"""The fold: what each event means for the document of its file.

The projector, an audit and every subscriber with a view of its own must agree, so this is the only
place that knows. It has no clock and no I/O, and it accepts every event that the codec lets pass.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, Final, Literal

from milepost_schemas.document import QUEUED, Document, FileError
from milepost_schemas.events import (
    MAX_STEPS,
    NO_SIGN_OF_LIFE,
    Event,
    EventData,
    FileDeleted,
    FileEvent,
    FileRegistered,
    LogRecorded,
    Plan,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    ProcessingStalled,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.progress import HIGHEST_UNFINISHED, Step, raise_units
from milepost_schemas.times import datetime_ms

MODEL_VERSION = 1
"""Raised by every change of decoding, validity, known types or fold: a rebuild is then due."""

Outcome = Literal[
    "applied",
    "sign_of_life",
    "log_line",
    "unchanged",
    "late_attempt",
    "after_terminal",
    "after_deletion",
    "late_verdict",
    "wrong_organization",
    "too_many_steps",
]
"""What became of an event.

A new revision comes with `applied`, and with the `log_line` that makes a file known. `sign_of_life`
leaves the renderings alone but not what is kept beside them: that document is to be stored, too.
"""

REJECTED: Final[frozenset[Outcome]] = frozenset({"wrong_organization", "too_many_steps"})
"""Outcomes of events that contradict the document; their records are dead letters."""


def apply(
    document: Document | None, event: Event, offset: int, appended_at: int
) -> Document | None:
    """The document after an event, None while nothing is known of the file.

    Args:
        document: The document before the event; it is not changed.
        event: The event.
        offset: The offset of its record.
        appended_at: Milliseconds since 1970 at which the broker appended the record.
    """
    data = event.data
    after = (
        Document(data.organization_id, data.store_id, data.file_id)
        if document is None
        else copy.deepcopy(document)
    )
    fold(after, event, offset, appended_at)
    return after if after.revision else None


def fold(document: Document, event: Event, offset: int, appended_ms: int) -> Outcome:
    """As `apply`, in place: change the document, which is the caller's own, and say what happened.

    A document of revision 0 after the call is still unknown.
    """
    data = event.data
    if data.organization_id != document.organization_id:
        return "wrong_organization"
    if document.deleted_at is not None:
        return "after_deletion"
    time_ms = appended_ms
    if event.time_ms is not None and event.time_ms < appended_ms:
        time_ms = event.time_ms
    outcome = _FOLDS[type(data)](document, data, time_ms, appended_ms)
    if outcome == "applied" or (outcome == "log_line" and not document.revision):
        document.revision += 1
        document.offset = offset
        seconds = time_ms // 1000
        document.updated_at = max(document.updated_at, seconds)
        if document.revision == 1:
            document.created_at = document.updated_at
            document.signed_at_ms = appended_ms
    return outcome


def _open_attempt(document: Document, data: FileEvent, appended_ms: int) -> bool:
    """Go over to the event's attempt if it is a higher one, and say whether it was."""
    if data.attempt <= document.attempt:
        return False
    document.attempt = data.attempt
    document.status = "pending"
    document.explicit_percent = 0
    document.current_step = QUEUED
    document.started_at = document.completed_at = None
    document.error = document.chunk_count = document.stalled_since = None
    document.steps = []
    document.plan = []
    document.signed_at_ms = appended_ms
    return True


def _changed(document: Document, *, changed: bool) -> Outcome:
    return "applied" if changed or not document.revision else "unchanged"


def _registered(
    document: Document, data: FileRegistered, time_ms: int, appended_ms: int
) -> Outcome:
    opened = _open_attempt(document, data, appended_ms)
    known = document.registration_ms
    # Only a later registration replaces an earlier one, so that a repeated one changes nothing.
    if known is None or time_ms > known:
        if document.registered_at is None:
            document.registered_at = time_ms // 1000
        document.registration_ms = time_ms
        before = (document.name, document.size_bytes, document.mime_type, document.relative_path)
        after = (data.name, data.size_bytes, data.mime_type, data.relative_path)
        document.name, document.size_bytes, document.mime_type, document.relative_path = after
        if opened or known is None or before != after:
            return "applied"
        return "sign_of_life"  # the facts are the same, but the time to compare with has moved
    return _changed(document, changed=opened)


def _requested(
    document: Document, data: ProcessingRequested, _time_ms: int, appended_ms: int
) -> Outcome:
    if data.attempt < document.attempt:
        return "late_attempt"
    return _changed(document, changed=_open_attempt(document, data, appended_ms))


def _work(
    document: Document,
    data: StepStarted | StepProgressed | StepCompleted,
    time_ms: int,
    appended_ms: int,
) -> Outcome:
    """An event of a stage at work on a step."""
    if data.attempt != document.attempt or document.completed_at is not None:
        late = _lateness(document, data)
        if late:
            return late
        changed = _open_attempt(document, data, appended_ms)
    else:
        changed = False
    step = document.find_step(data.step)
    if step is None:
        if len(document.steps) >= MAX_STEPS:
            return "too_many_steps"
        step = _start_step(document, data.step, time_ms)
        changed = True
    if document.stalled_since is not None:
        document.stalled_since = None
        changed = True
    document.signed_at_ms = appended_ms
    if _advance(document, step, data, time_ms):
        changed = True
    return "applied" if changed else "sign_of_life"


def _lateness(document: Document, data: FileEvent) -> Outcome | None:
    if data.attempt < document.attempt:
        return "late_attempt"
    if data.attempt == document.attempt and document.is_terminal:
        return "after_terminal"
    return None


def _start_step(document: Document, name: str, time_ms: int) -> Step:
    seconds = time_ms // 1000
    step = Step(name, seconds)
    document.steps.append(step)
    document.status = "processing"
    document.current_step = name
    if document.started_at is None:
        document.started_at = seconds
    return step


def _advance(
    document: Document,
    step: Step,
    data: StepStarted | StepProgressed | StepCompleted,
    time_ms: int,
) -> bool:
    """Take over what the event says of the step and the percentage; say if that is anything new."""
    if isinstance(data, StepProgressed):
        moved = raise_units(step, data.done_units, data.total_units)
        percent = data.progress_percent
        rose = percent is not None and _raise_percent(document, percent)
    elif isinstance(data, StepStarted):
        moved = raise_units(step, None, data.total_units) | _keep_silence(step, data.max_silence_s)
        rose = _keep_plan(document, data.plan)
    else:
        moved = _complete_step(step, time_ms)
        rose = False
    return moved or rose


def _raise_percent(document: Document, percent: float) -> bool:
    capped = min(math.floor(percent), HIGHEST_UNFINISHED)
    if capped <= document.progress_percent:
        return False
    document.explicit_percent = capped
    return True


def _keep_silence(step: Step, max_silence_s: float | None) -> bool:
    if max_silence_s is None or step.max_silence_s is not None:
        return False
    step.max_silence_s = max_silence_s
    return True


def _keep_plan(document: Document, plan: Plan | None) -> bool:
    if plan is None or document.plan:
        return False
    document.plan = [(planned.step, planned.weight) for planned in plan]
    return True


def _complete_step(step: Step, time_ms: int) -> bool:
    if step.is_completed:
        return False
    step.completed_at = max(time_ms // 1000, step.started_at)
    if step.total_units is not None:
        step.done_units = step.total_units
    return True


def _completed(
    document: Document, data: ProcessingCompleted, time_ms: int, appended_ms: int
) -> Outcome:
    late = _lateness(document, data)
    if late:
        return late
    _open_attempt(document, data, appended_ms)
    _end(document, time_ms, appended_ms)
    document.status = "completed"
    document.explicit_percent = 100
    document.current_step = None
    document.chunk_count = data.chunk_count
    return "applied"


def _failed(document: Document, data: ProcessingFailed, time_ms: int, appended_ms: int) -> Outcome:
    is_verdict = data.code == NO_SIGN_OF_LIFE
    if is_verdict and not _judges_last_sign(document, data):
        return "late_verdict"
    late = _lateness(document, data)
    if late:
        return late
    _open_attempt(document, data, appended_ms)
    _end(document, time_ms, document.signed_at_ms if is_verdict else appended_ms)
    document.status = "failed"
    document.current_step = data.step or document.current_step
    text = data.message.strip() or f"Processing failed ({data.code})."
    document.error = FileError(data.code, text, data.step, data.retryable)
    return "applied"


def _end(document: Document, time_ms: int, signed_at_ms: int) -> None:
    document.completed_at = max(time_ms // 1000, document.started_at or 0)
    document.stalled_since = None
    document.signed_at_ms = signed_at_ms


def _stalled(
    document: Document, data: ProcessingStalled, _time_ms: int, _appended_ms: int
) -> Outcome:
    if not _judges_last_sign(document, data):
        return "late_verdict"
    if document.is_terminal:
        return "after_terminal"
    if document.stalled_since is not None:
        return "unchanged"
    document.stalled_since = document.signed_at_ms // 1000
    return "applied"


def _judges_last_sign(document: Document, data: ProcessingFailed | ProcessingStalled) -> bool:
    return (
        document.revision > 0
        and data.attempt == document.attempt
        and data.silent_since is not None
        and datetime_ms(data.silent_since) == document.signed_at_ms
    )


def _log_recorded(
    _document: Document, _data: LogRecorded, _time_ms: int, _appended_ms: int
) -> Outcome:
    return "log_line"


def _deleted(document: Document, _data: FileDeleted, time_ms: int, _appended_ms: int) -> Outcome:
    """Leave a marker: who the file was, its attempt and its revision."""
    marker = Document(document.organization_id, document.store_id, document.file_id)
    kept = ("revision", "attempt", "created_at")
    for name in set(marker.__struct_fields__) - set(kept):
        setattr(document, name, getattr(marker, name))
    document.deleted_at = time_ms // 1000
    return "applied"


_Fold = Callable[[Document, Any, int, int], Outcome]

_FOLDS: dict[type[EventData], _Fold] = {
    FileRegistered: _registered,
    ProcessingRequested: _requested,
    StepStarted: _work,
    StepProgressed: _work,
    StepCompleted: _work,
    ProcessingCompleted: _completed,
    ProcessingFailed: _failed,
    ProcessingStalled: _stalled,
    LogRecorded: _log_recorded,
    FileDeleted: _deleted,
}
