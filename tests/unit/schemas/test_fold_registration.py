from milepost_schemas.events import (
    Event,
    FileRegistered,
    LogRecorded,
    ProcessingCompleted,
    ProcessingStalled,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.fold import apply
from milepost_schemas.record import encode_record
from milepost_schemas.times import parse_time_ms
from tests.unit.schemas.file_log import START_MS, FileLog, fact
from tests.unit.schemas.silence import EPOCH

FIRST = fact(FileRegistered, name="old.pdf", size_bytes=7, mime_type="application/pdf")
SECOND = fact(
    FileRegistered, name="new.pdf", size_bytes=9, mime_type="application/pdf", relative_path="a/new"
)


def test_registration_says_what_the_file_is() -> None:
    log = FileLog()

    log.append(SECOND)

    assert (
        log.rendered
        | {
            "name": "new.pdf",
            "size_bytes": 9,
            "mime_type": "application/pdf",
            "relative_path": "a/new",
            "registered_at": "2025-06-15T10:00:00Z",
            "created_at": "2025-06-15T10:00:00Z",
        }
        == log.rendered
    )


def test_registration_applies_at_a_lower_attempt() -> None:
    log = FileLog()
    log.append(fact(StepStarted, attempt=2, step="extracting"))

    outcome = log.append(FIRST)

    assert outcome == "applied"
    assert log.rendered["name"] == "old.pdf"
    assert (log.document.attempt, log.status["current_step"]) == (2, "extracting")


def test_a_later_registration_replaces_an_earlier_one() -> None:
    log = FileLog()
    log.append_all(FIRST, SECOND)

    assert log.rendered["name"] == "new.pdf"
    assert log.rendered["registered_at"] == "2025-06-15T10:00:00Z"


def test_a_repeated_registration_never_replaces_a_later_one() -> None:
    log = FileLog()
    log.append_all(FIRST, SECOND)

    outcome = log.append(FIRST, at="2025-06-15T10:00:00Z")

    assert outcome == "unchanged"
    assert log.rendered["name"] == "new.pdf"


def test_of_two_registrations_at_the_same_time_the_first_counts() -> None:
    log = FileLog()
    log.append(FIRST, at="2025-06-15T09:00:00Z")

    assert log.append(SECOND, at="2025-06-15T09:00:00Z") == "unchanged"
    assert log.rendered["name"] == "old.pdf"


def test_a_registration_that_only_renews_the_time_must_be_stored() -> None:
    log = FileLog()
    log.append(FIRST)
    before = encode_record(log.document)

    outcome = log.append(FIRST)

    assert outcome == "sign_of_life"
    assert encode_record(log.document) != before
    assert log.document.revision == 1


def test_a_file_that_was_never_registered_has_no_name() -> None:
    log = FileLog()
    log.append_all(
        fact(StepProgressed, step="reading", progress_percent=40),
        fact(ProcessingCompleted),
    )

    assert log.status == {
        "status": "completed",
        "progress_percent": 100,
        "current_step": None,
        "error_message": None,
        "started_at": "2025-06-15T10:00:00Z",
        "completed_at": "2025-06-15T10:00:01Z",
    }
    assert (log.rendered["name"], log.rendered["size_bytes"]) == (None, None)


def test_a_log_line_makes_a_file_known_once() -> None:
    log = FileLog()
    line = fact(LogRecorded, attempt=3, level="info", message="Received.")

    assert (log.append(line), log.append(line)) == ("log_line", "log_line")
    assert log.document.revision == 1
    assert (log.document.attempt, log.status["status"]) == (1, "pending")


def test_a_verdict_makes_no_file_known() -> None:
    event = Event("1", "watch", None, fact(ProcessingStalled, silent_since=EPOCH))

    assert apply(None, event, 0, START_MS) is None


def test_apply_leaves_its_document_alone() -> None:
    started = Event("1", "test", None, fact(StepStarted, step="a", total_units=5))
    progressed = Event("2", "test", None, fact(StepProgressed, step="a", done_units=5))
    before = apply(None, started, 0, START_MS)
    assert before is not None
    kept = encode_record(before)

    after = apply(before, progressed, 1, START_MS)

    assert encode_record(before) == kept
    assert after is not None
    assert after.steps[0].done_units == 5


def test_a_registration_before_1970_is_no_problem() -> None:
    log = FileLog()

    log.append(FIRST, at="1914-06-28T10:50:00Z")

    assert log.document.registration_ms == parse_time_ms("1914-06-28T10:50:00Z")
    assert log.rendered["registered_at"] == "1914-06-28T10:50:00Z"
