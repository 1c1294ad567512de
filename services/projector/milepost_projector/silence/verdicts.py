"""What is to be said about a file that is silent: decided from its document and two durations."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from milepost_schemas.document import Document
from milepost_schemas.events import (
    NO_SIGN_OF_LIFE,
    LogRecorded,
    ProcessingFailed,
    ProcessingStalled,
)

Verdict = ProcessingStalled | ProcessingFailed

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Limits:
    """Seconds of silence that are allowed, and what has to be known before anybody is accused."""

    stalled_after_s: float = 60
    """For files with an open step; a step's own `max_silence_s` takes its place."""
    failed_after_s: float = 900
    """For files with an open step; longer by as much as a step's own limit is longer."""
    queued_failed_after_s: float = 86_400
    """For files that wait for a step: queued, or between two of them."""
    attentive_for_s: float = 60
    """How long the log must have been read to its end without a break."""

    def __post_init__(self) -> None:
        if self.failed_after_s < self.stalled_after_s:
            raise ValueError(
                f"a file would fail after {self.failed_after_s} s, "
                f"before it is stalled after {self.stalled_after_s} s"
            )


class Silence(NamedTuple):
    """How long a file has given no sign of life, in seconds."""

    total_s: float
    """Since its last sign, as far as that is known: never more than it was."""
    witnessed_s: float
    """For how long of it this owner has read everything that was said."""


class Judgement(NamedTuple):
    """A verdict, if one is due, and when to judge again if nothing is heard until then."""

    verdict: Verdict | None = None
    again_in_s: float = 0


def allowed_silence_s(document: Document, stalled_after_s: float) -> float | None:
    """How long a stage at work on the file may be silent; None if no step is open.

    Of several open steps the one with the longest limit counts: its stage may be the healthy one.
    """
    if document.status != "processing":
        return None
    allowed: float | None = None
    for step in document.steps:
        if step.completed_at is None:
            own = step.max_silence_s or stalled_after_s
            if allowed is None or own > allowed:
                allowed = own
    return allowed


def judge(document: Document, silence: Silence, limits: Limits) -> Judgement:
    """The verdict on a document as it is in the read model."""
    if document.is_terminal or document.is_deleted or not document.revision:
        return Judgement()
    allowed = allowed_silence_s(document, limits.stalled_after_s)
    if allowed is None:
        return _judge_waiting(document, silence, limits)
    # With a limit of hours, no owner would live to see it pass. But a stage that could not
    # publish for a while has a quarter of an hour to say so.
    witnessed = min(allowed, limits.failed_after_s)
    if document.stalled_since is None:
        left = max(allowed - silence.total_s, witnessed - silence.witnessed_s)
        return Judgement(again_in_s=left) if left > 0 else Judgement(_stalled(document))
    fails_after = _fails_after_s(allowed, limits)
    # Nobody fails unannounced, not even when an outage has eaten the time up.
    witnessed += limits.attentive_for_s
    left = max(fails_after - silence.total_s, witnessed - silence.witnessed_s)
    return Judgement(again_in_s=left) if left > 0 else Judgement(_failed(document, fails_after))


def waiting_line(document: Document) -> LogRecorded:
    """A log line about a file that waits: true whatever the clocks say, and no verdict."""
    return LogRecorded(
        **_identity(document), level="warning", message=f"{_nobody_went_on(document)} so far."
    )


def in_words(seconds: float) -> str:
    """A duration in the largest unit that divides it, from hours down: `15 minutes`."""
    whole = round(seconds)
    for unit, length in (("hour", 3_600), ("minute", 60)):
        if whole and whole % length == 0:
            return _counted(whole // length, unit)
    return _counted(whole, "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _fails_after_s(allowed_s: float, limits: Limits) -> float:
    """As long after the stalled verdict as with the usual limits, and never before those."""
    grace = limits.failed_after_s - limits.stalled_after_s
    return max(limits.failed_after_s, allowed_s + grace)


def _judge_waiting(document: Document, silence: Silence, limits: Limits) -> Judgement:
    left = limits.queued_failed_after_s - silence.total_s
    if left > 0:
        return Judgement(again_in_s=left)
    time = in_words(limits.queued_failed_after_s)
    return Judgement(
        _no_sign_of_life(
            document,
            f"{_nobody_went_on(document)} within {time}; "
            "try again, and tell the people who run the pipeline if this happens twice.",
        )
    )


def _nobody_went_on(document: Document) -> str:
    if document.status == "pending":
        return "No stage has taken the file up"
    return f"No stage has gone on with the file after {document.current_step}"


def _stalled(document: Document) -> ProcessingStalled:
    return ProcessingStalled(
        **_identity(document), step=_silent_step(document), silent_since=_last_sign(document)
    )


def _failed(document: Document, after_s: float) -> ProcessingFailed:
    step = _silent_step(document)
    return _no_sign_of_life(
        document,
        f"Processing stopped in the step {step}, which gave no sign of life for "
        f"{in_words(after_s)}; try again.",
        step,
    )


def _no_sign_of_life(document: Document, message: str, step: str | None = None) -> ProcessingFailed:
    return ProcessingFailed(
        **_identity(document),
        code=NO_SIGN_OF_LIFE,
        message=message,
        retryable=True,
        step=step,
        silent_since=_last_sign(document),
    )


def _silent_step(document: Document) -> str:
    """The open step that was started last."""
    return next(step.step for step in reversed(document.steps) if step.completed_at is None)


def _last_sign(document: Document) -> datetime:
    return EPOCH + timedelta(milliseconds=document.signed_at_ms)


def _identity(document: Document) -> dict[str, Any]:
    return {
        "organization_id": document.organization_id,
        "store_id": document.store_id,
        "file_id": document.file_id,
        "attempt": document.attempt,
    }
