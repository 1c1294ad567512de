from milepost_schemas.events import (
    ProcessingCompleted,
    ProcessingFailed,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from tests.unit.schemas.file_log import FileLog, fact


def test_a_started_step_is_the_current_one() -> None:
    log = FileLog()

    log.append(fact(StepStarted, step="extracting"))

    assert log.status == {
        "status": "processing",
        "progress_percent": 0,
        "current_step": "extracting",
        "error_message": None,
        "started_at": "2025-06-15T10:00:00Z",
        "completed_at": None,
    }


def test_a_step_stays_current_after_its_completion_until_another_starts() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(StepCompleted, step="extracting"),
    )
    assert log.status["current_step"] == "extracting"

    log.append(fact(StepStarted, step="chunking"))

    assert log.status["current_step"] == "chunking"


def test_progress_without_a_start_implies_the_start() -> None:
    log = FileLog()

    log.append(fact(StepProgressed, step="embedding", progress_percent=10))

    assert log.status["current_step"] == "embedding"
    assert log.rendered["steps"][0]["started_at"] == "2025-06-15T10:00:00Z"


def test_completion_without_a_start_implies_the_start() -> None:
    log = FileLog()

    log.append(fact(StepCompleted, step="embedding"))

    assert log.status["current_step"] == "embedding"
    assert log.status["status"] == "processing"


def test_a_late_event_of_an_earlier_step_never_moves_the_current_step_back() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(StepStarted, step="chunking"),
    )

    log.append(fact(StepProgressed, step="extracting", done_units=1, total_units=2))
    log.append(fact(StepCompleted, step="extracting"))
    log.append(fact(StepStarted, step="extracting"))

    assert log.status["current_step"] == "chunking"


def test_a_completed_step_stays_completed_when_it_is_started_again() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(StepCompleted, step="extracting"),
    )

    outcome = log.append(fact(StepStarted, step="extracting"))

    assert outcome == "sign_of_life"
    assert log.rendered["steps"] == [
        {
            "step": "extracting",
            "started_at": "2025-06-15T10:00:00Z",
            "completed_at": "2025-06-15T10:00:01Z",
            "done_units": None,
            "total_units": None,
            "max_silence_s": None,
        }
    ]


def test_the_first_completion_of_a_step_counts() -> None:
    log = FileLog()
    log.append_all(
        fact(StepCompleted, step="extracting"),
        fact(StepCompleted, step="extracting"),
    )

    assert log.rendered["steps"][0]["completed_at"] == "2025-06-15T10:00:00Z"


def test_the_first_allowed_silence_of_a_step_counts() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(StepStarted, step="extracting", max_silence_s=300.0),
        fact(StepStarted, step="extracting", max_silence_s=1.0),
    )

    assert log.step("extracting").max_silence_s == 300.0


def test_completion_has_no_current_step() -> None:
    log = FileLog()
    log.append_all(fact(StepStarted, step="indexing"), fact(ProcessingCompleted, chunk_count=12))

    assert log.status == {
        "status": "completed",
        "progress_percent": 100,
        "current_step": None,
        "error_message": None,
        "started_at": "2025-06-15T10:00:00Z",
        "completed_at": "2025-06-15T10:00:01Z",
    }
    assert log.rendered["chunk_count"] == 12


def test_a_failure_names_its_step() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(StepStarted, step="chunking"),
        fact(ProcessingFailed, step="extracting", code="x", message="It broke.", retryable=True),
    )

    assert log.status["current_step"] == "extracting"
    assert log.rendered["error"] == {
        "code": "x",
        "message": "It broke.",
        "step": "extracting",
        "retryable": True,
    }


def test_a_failure_without_a_step_keeps_the_current_one() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting"),
        fact(ProcessingFailed, code="x", message="It broke.", retryable=True),
    )

    assert log.status["current_step"] == "extracting"
    assert log.status["error_message"] == "It broke."


def test_a_failure_without_a_message_still_has_one() -> None:
    log = FileLog()

    log.append(fact(ProcessingFailed, code="broken", message=" ", retryable=False))

    assert log.status["error_message"] == "Processing failed (broken)."


def test_a_file_that_failed_in_the_queue_was_never_started() -> None:
    log = FileLog()

    log.append(fact(ProcessingFailed, code="broken", message="It broke.", retryable=False))

    assert log.status["current_step"] == "queued"
    assert log.status["started_at"] is None
    assert log.status["completed_at"] == "2025-06-15T10:00:00Z"
