import pytest

from milepost_schemas.document import render_status
from milepost_schemas.events import (
    EventData,
    FileDeleted,
    FileRegistered,
    LogRecorded,
    PlannedStep,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    ProcessingStalled,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.times import datetime_ms, format_ms
from tests.unit.schemas.file_log import FileLog, fact
from tests.unit.schemas.silence import last_sign

PENDING = {
    "status": "pending",
    "progress_percent": 0,
    "current_step": "queued",
    "error_message": None,
    "started_at": None,
    "completed_at": None,
}

OPENING = [
    fact(FileRegistered, attempt=2, name="a.pdf", size_bytes=1, mime_type="application/pdf"),
    fact(ProcessingRequested, attempt=2, reason="retry"),
    fact(StepStarted, attempt=2, step="extracting"),
    fact(StepProgressed, attempt=2, step="extracting"),
    fact(StepCompleted, attempt=2, step="extracting"),
    fact(ProcessingCompleted, attempt=2),
    fact(ProcessingFailed, attempt=2, code="broken", message="It broke.", retryable=True),
]

LATE = [
    fact(ProcessingRequested, reason="retry"),
    fact(StepStarted, step="indexing", total_units=5),
    fact(StepProgressed, step="indexing", progress_percent=90),
    fact(StepCompleted, step="indexing"),
    fact(ProcessingCompleted, chunk_count=3),
    fact(ProcessingFailed, code="broken", message="It broke.", retryable=False),
]


def name_of(data: EventData) -> str:
    return type(data).__name__


def test_a_registered_file_waits_in_the_queue() -> None:
    log = FileLog()

    log.append(fact(FileRegistered, name="a.pdf", size_bytes=7, mime_type="application/pdf"))

    assert log.status == PENDING


def test_a_retry_resets_a_failed_file_to_pending() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="embedding", plan=(PlannedStep(step="embedding", weight=1),)),
        fact(StepProgressed, step="embedding", done_units=1, total_units=2),
        fact(ProcessingFailed, code="broken", message="It broke.", retryable=True),
    )

    outcome = log.append(fact(ProcessingRequested, attempt=2, reason="retry"))

    assert outcome == "applied"
    assert log.status == PENDING
    assert (log.document.attempt, log.document.steps, log.document.plan) == (2, [], [])


@pytest.mark.parametrize("data", OPENING, ids=name_of)
def test_these_events_open_a_higher_attempt(data: EventData) -> None:
    log = FileLog()
    log.append_all(
        fact(StepProgressed, step="embedding", progress_percent=70),
        fact(ProcessingCompleted, chunk_count=3),
    )

    log.append(data)

    assert log.document.attempt == 2
    assert log.document.chunk_count is None
    assert "embedding" not in [step.step for step in log.document.steps]


def test_a_log_line_never_opens_an_attempt() -> None:
    log = FileLog()
    log.append(fact(ProcessingCompleted))

    outcome = log.append(fact(LogRecorded, attempt=2, level="info", message="Retrying."))

    assert outcome == "log_line"
    assert (log.document.attempt, log.status["status"]) == (1, "completed")


def test_a_stalled_verdict_never_opens_an_attempt() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="embedding"))

    outcome = log.append(fact(ProcessingStalled, attempt=2, silent_since=last_sign(log)))

    assert outcome == "late_verdict"
    assert log.document.attempt == 1


def test_a_deletion_of_a_higher_attempt_leaves_the_attempt_as_it_was() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="embedding"))

    log.append(fact(FileDeleted, attempt=5))

    assert log.document.is_deleted
    assert log.document.attempt == 1


@pytest.mark.parametrize("data", LATE, ids=name_of)
def test_a_late_event_of_a_lower_attempt_changes_nothing(data: EventData) -> None:
    log = FileLog()
    log.append(fact(StepStarted, attempt=2, step="extracting"))
    before, signed_at_ms = log.rendered, log.document.signed_at_ms

    outcome = log.append(data)

    assert outcome == "late_attempt"
    assert log.rendered == before
    assert log.document.signed_at_ms == signed_at_ms


def test_an_attempt_may_be_skipped() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting"))

    log.append(fact(StepStarted, attempt=7, step="chunking"))

    assert log.document.attempt == 7
    assert log.status["started_at"] == "2025-06-15T10:00:01Z"


def test_a_repeated_request_of_the_same_attempt_changes_nothing() -> None:
    log = FileLog()
    log.append_all(
        fact(ProcessingRequested, attempt=2, reason="retry"),
        fact(StepStarted, attempt=2, step="extracting"),
    )
    before = render_status(log.document)

    outcome = log.append(fact(ProcessingRequested, attempt=2, reason="retry"))

    assert outcome == "unchanged"
    assert render_status(log.document) == before


def test_opening_an_attempt_is_a_sign_of_life() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(ProcessingRequested, attempt=2, reason="retry"),
    )

    assert log.document.signed_at_ms == log.now_ms
    assert format_ms(datetime_ms(last_sign(log))) == "2025-06-15T10:00:01.000Z"
