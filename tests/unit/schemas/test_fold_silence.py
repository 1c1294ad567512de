from collections.abc import Callable
from datetime import timedelta

import pytest

from milepost_schemas.events import (
    NO_SIGN_OF_LIFE,
    EventData,
    FileRegistered,
    LogRecorded,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    ProcessingStalled,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.record import encode_record
from tests.unit.schemas.file_log import START_MS, FileLog, fact
from tests.unit.schemas.silence import last_sign

Judge = Callable[[FileLog, timedelta], EventData]


def silent_log() -> FileLog:
    """A file whose step started and fell silent."""
    log = FileLog()
    log.append(fact(StepStarted, step="embedding"))
    return log


def stalled(log: FileLog, off_by: timedelta = timedelta()) -> ProcessingStalled:
    return fact(ProcessingStalled, step="embedding", silent_since=last_sign(log) + off_by)


def given_up(log: FileLog, off_by: timedelta = timedelta()) -> ProcessingFailed:
    return fact(
        ProcessingFailed,
        code=NO_SIGN_OF_LIFE,
        message="No stage has given a sign of life for 15 minutes. Try again.",
        retryable=True,
        silent_since=last_sign(log) + off_by,
    )


def test_a_sign_of_life_alone_makes_no_revision() -> None:
    log = silent_log()
    before = log.rendered

    outcome = log.append(fact(StepProgressed, step="embedding"))

    assert outcome == "sign_of_life"
    assert log.rendered == before
    assert log.document.signed_at_ms == log.now_ms


def test_a_stalled_verdict_sets_the_flag_and_ends_nothing() -> None:
    log = silent_log()

    outcome = log.append(stalled(log))

    assert outcome == "applied"
    assert log.rendered["stalled_since"] == "2025-06-15T10:00:00Z"
    assert log.rendered["revision"] == 2
    assert log.status["status"] == "processing"


def test_a_verdict_is_no_sign_of_life() -> None:
    log = silent_log()

    log.append(stalled(log))

    assert log.append(given_up(log)) == "applied"


def test_a_repeated_stalled_verdict_changes_nothing() -> None:
    log = silent_log()
    log.append(stalled(log))
    before = encode_record(log.document)

    assert log.append(stalled(log)) == "unchanged"
    assert encode_record(log.document) == before


def test_a_sign_of_life_clears_the_flag() -> None:
    log = silent_log()
    log.append(stalled(log))

    outcome = log.append(fact(StepProgressed, step="embedding"))

    assert outcome == "applied"
    assert log.rendered["stalled_since"] is None


def test_the_end_clears_the_flag() -> None:
    log = silent_log()
    log.append_all(stalled(log), fact(ProcessingCompleted))

    assert log.rendered["stalled_since"] is None


def test_a_verdict_about_silence_ends_the_attempt() -> None:
    log = silent_log()

    outcome = log.append(given_up(log))

    assert outcome == "applied"
    assert log.status["status"] == "failed"
    assert log.status["current_step"] == "embedding"
    assert log.rendered["error"]["code"] == NO_SIGN_OF_LIFE


@pytest.mark.parametrize("off_by_ms", [-1, 1])
@pytest.mark.parametrize("judge", [stalled, given_up])
def test_a_verdict_on_another_sign_of_life_came_too_late(judge: Judge, off_by_ms: int) -> None:
    log = silent_log()
    before = encode_record(log.document)

    outcome = log.append(judge(log, timedelta(milliseconds=off_by_ms)))

    assert outcome == "late_verdict"
    assert encode_record(log.document) == before


def test_a_verdict_that_lost_the_race_against_a_sign_of_life_is_ignored() -> None:
    log = silent_log()
    verdict: EventData = given_up(log)
    log.append(fact(StepProgressed, step="embedding"))

    assert log.append(verdict) == "late_verdict"
    assert log.status["status"] == "processing"


def test_a_log_line_is_no_sign_of_life() -> None:
    log = silent_log()
    verdict = stalled(log)

    log.append(fact(LogRecorded, level="info", message="Someone looked at it."))

    assert log.append(verdict) == "applied"


def test_a_verdict_on_another_attempt_is_ignored() -> None:
    log = silent_log()
    verdict = given_up(log)
    log.append(fact(StepStarted, attempt=2, step="embedding"))

    assert log.append(verdict) == "late_verdict"
    assert log.status["status"] == "processing"


def test_a_file_in_the_queue_can_be_given_up() -> None:
    log = FileLog()
    log.append(fact(LogRecorded, level="info", message="Received."))

    assert log.append(given_up(log)) == "applied"
    assert log.status["current_step"] == "queued"


def test_a_stages_own_failure_needs_no_silence() -> None:
    log = silent_log()

    outcome = log.append(fact(ProcessingFailed, code="broken", message="It broke.", retryable=True))

    assert outcome == "applied"


def test_a_new_attempt_clears_the_flag() -> None:
    log = silent_log()
    log.append_all(stalled(log), fact(ProcessingRequested, attempt=2, reason="retry"))

    assert log.rendered["stalled_since"] is None


def test_a_file_that_waits_was_last_heard_of_when_it_became_known() -> None:
    log = FileLog()
    log.append_all(
        fact(FileRegistered, name="a.pdf", size_bytes=1, mime_type="application/pdf"),
        fact(ProcessingRequested, reason="upload"),
    )

    assert log.document.signed_at_ms == START_MS


def test_the_verdict_that_ends_an_attempt_is_no_sign_of_life() -> None:
    log = silent_log()

    log.append(given_up(log))

    assert log.document.signed_at_ms == START_MS
