from milepost_schemas.events import (
    FileDeleted,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from tests.unit.schemas.file_log import FileLog, fact


def test_a_time_is_the_publishers() -> None:
    log = FileLog()

    log.append(fact(StepStarted, step="extracting"), at="2025-06-15T09:59:30.999+00:00")

    assert log.status["started_at"] == "2025-06-15T09:59:30Z"


def test_a_publisher_whose_clock_is_ahead_gets_the_brokers_time() -> None:
    log = FileLog()

    log.append(fact(StepStarted, step="extracting"), at="2031-01-01T00:00:00Z")

    assert log.status["started_at"] == "2025-06-15T10:00:00Z"


def test_an_event_without_a_time_gets_the_brokers() -> None:
    log = FileLog()

    log.append(fact(StepStarted, step="extracting"), at=None)

    assert log.status["started_at"] == "2025-06-15T10:00:00Z"


def test_processing_never_ends_before_it_started() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting"))

    log.append(fact(ProcessingCompleted), at="2025-06-15T09:00:00Z")

    assert log.status["completed_at"] == log.status["started_at"] == "2025-06-15T10:00:00Z"


def test_a_failure_never_comes_before_the_start() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting"))

    failed = fact(ProcessingFailed, code="broken", message="It broke.", retryable=True)
    log.append(failed, at="2025-06-15T09:00:00Z")

    assert log.status["completed_at"] == "2025-06-15T10:00:00Z"


def test_a_step_never_ends_before_it_started() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting"))

    log.append(fact(StepCompleted, step="extracting"), at="2025-06-15T09:00:00Z")

    assert log.rendered["steps"][0]["completed_at"] == "2025-06-15T10:00:00Z"


def test_the_first_sign_of_work_in_an_attempt_starts_it() -> None:
    log = FileLog()
    log.append_all(
        fact(ProcessingRequested, reason="upload"),
        fact(StepProgressed, step="extracting"),
        fact(StepStarted, step="extracting"),
        fact(StepStarted, step="chunking"),
    )
    assert log.status["started_at"] == "2025-06-15T10:00:01Z"

    log.append(fact(ProcessingRequested, attempt=2, reason="retry"))
    assert log.status["started_at"] is None

    log.append(fact(StepStarted, attempt=2, step="extracting"))
    assert log.status["started_at"] == "2025-06-15T10:00:05Z"


def test_the_last_change_never_moves_back() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting"))

    log.append(fact(StepStarted, step="chunking"), at="2025-06-15T08:00:00Z")

    assert log.rendered["updated_at"] == "2025-06-15T10:00:00Z"


def test_a_file_keeps_the_time_at_which_it_was_first_heard_of() -> None:
    log = FileLog()
    log.append_all(fact(StepStarted, step="extracting"), fact(FileDeleted))

    assert log.document.created_at == log.document.updated_at - 1
