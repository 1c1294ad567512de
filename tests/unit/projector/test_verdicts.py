from dataclasses import replace
from typing import Any

import pytest

from milepost_projector.silence.verdicts import (
    Judgement,
    Limits,
    Silence,
    allowed_silence_s,
    in_words,
    judge,
    waiting_line,
)
from milepost_schemas.events import (
    NO_SIGN_OF_LIFE,
    EventData,
    FileDeleted,
    FileRegistered,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingStalled,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.times import datetime_ms
from tests.unit.schemas.file_log import FileLog, fact

LIMITS = Limits()
HOUR_S = 3_600
FOR_EVER = Silence(10 * 86_400, 10 * 86_400)


def a_log(*facts: EventData) -> FileLog:
    log = FileLog()
    log.append_all(*facts)
    return log


def at_work(**fields: Any) -> FileLog:
    """A file whose step has started."""
    return a_log(fact(StepStarted, step="embedding", **fields))


def in_the_queue() -> FileLog:
    return a_log(fact(FileRegistered, name="a.pdf", size_bytes=1, mime_type="application/pdf"))


def between_steps() -> FileLog:
    return a_log(fact(StepStarted, step="chunking"), fact(StepCompleted, step="chunking"))


def judged(log: FileLog, total_s: float, witnessed_s: float | None = None) -> Judgement:
    silence = Silence(total_s, total_s if witnessed_s is None else witnessed_s)
    return judge(log.document, silence, LIMITS)


def stall(log: FileLog) -> None:
    verdict = judged(log, 60).verdict
    assert isinstance(verdict, ProcessingStalled)
    assert log.append(verdict) == "applied"


def test_an_open_step_is_stalled_once_it_has_been_silent_for_a_minute() -> None:
    log = at_work()

    assert judged(log, 59.5) == Judgement(again_in_s=0.5)
    verdict = judged(log, 60).verdict
    assert isinstance(verdict, ProcessingStalled)
    assert (verdict.step, verdict.attempt) == ("embedding", 1)


def test_a_verdict_names_the_last_sign_to_the_millisecond() -> None:
    log = at_work()
    log.document.signed_at_ms += 123

    verdict = judged(log, 60).verdict

    assert verdict is not None
    assert verdict.silent_since is not None
    assert datetime_ms(verdict.silent_since) == log.document.signed_at_ms


def test_a_stalled_file_fails_after_a_quarter_of_an_hour() -> None:
    log = at_work()
    stall(log)

    assert judged(log, 899) == Judgement(again_in_s=1)
    verdict = judged(log, 900).verdict

    assert isinstance(verdict, ProcessingFailed)
    assert (verdict.code, verdict.step, verdict.retryable) == (NO_SIGN_OF_LIFE, "embedding", True)
    assert log.append(verdict) == "applied"
    assert log.status["error_message"] == (
        "Processing stopped in the step embedding, which gave no sign of life for 15 minutes; "
        "try again."
    )


def test_nobody_fails_without_having_been_stalled_before() -> None:
    assert isinstance(judge(at_work().document, FOR_EVER, LIMITS).verdict, ProcessingStalled)


def test_a_sign_of_life_takes_a_file_out_of_danger() -> None:
    log = at_work()
    stall(log)
    log.append(fact(StepProgressed, step="embedding"))

    assert isinstance(judged(log, 900).verdict, ProcessingStalled)


@pytest.mark.parametrize(("own_s", "stalled_s", "failed_s"), [(5, 5, 900), (1_800, 1_800, 2_640)])
def test_a_steps_own_limit_takes_the_place_of_the_usual_one(
    own_s: float, stalled_s: float, failed_s: float
) -> None:
    log = at_work(max_silence_s=own_s)

    assert judged(log, stalled_s - 1).verdict is None
    assert isinstance(judged(log, stalled_s).verdict, ProcessingStalled)
    log.append(judged(log, stalled_s).verdict or fact(ProcessingCompleted))
    assert judged(log, failed_s - 1).verdict is None
    assert isinstance(judged(log, failed_s).verdict, ProcessingFailed)


def test_of_several_open_steps_the_longest_limit_counts() -> None:
    log = a_log(
        fact(StepStarted, step="chunking", max_silence_s=600),
        fact(StepStarted, step="embedding"),
    )

    assert judged(log, 599).verdict is None
    verdict = judged(log, 600).verdict
    assert verdict is not None
    assert verdict.step == "embedding"


def test_a_completed_steps_limit_counts_no_more() -> None:
    log = a_log(
        fact(StepStarted, step="chunking", max_silence_s=600),
        fact(StepCompleted, step="chunking"),
        fact(StepStarted, step="embedding"),
    )

    assert isinstance(judged(log, 60).verdict, ProcessingStalled)


def test_an_earlier_step_that_is_still_open_is_watched() -> None:
    log = a_log(
        fact(StepStarted, step="chunking"),
        fact(StepStarted, step="embedding"),
        fact(StepCompleted, step="embedding"),
    )

    verdict = judged(log, 60).verdict

    assert isinstance(verdict, ProcessingStalled)
    assert verdict.step == "chunking"


def test_silence_that_nobody_witnessed_accuses_nobody() -> None:
    log = at_work()

    assert judged(log, 86_400, witnessed_s=59) == Judgement(again_in_s=1)
    stall(log)
    assert judged(log, 86_400, witnessed_s=119) == Judgement(again_in_s=1)
    assert isinstance(judged(log, 86_400, witnessed_s=120).verdict, ProcessingFailed)


def test_a_limit_of_hours_need_not_be_witnessed_whole() -> None:
    log = at_work(max_silence_s=12 * HOUR_S)

    assert judged(log, 12 * HOUR_S, witnessed_s=899).verdict is None
    assert judged(log, 12 * HOUR_S - 1, witnessed_s=900).verdict is None
    assert isinstance(judged(log, 12 * HOUR_S, witnessed_s=900).verdict, ProcessingStalled)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (in_the_queue(), "No stage has taken the file up within 24 hours; try again, "),
        (
            between_steps(),
            "No stage has gone on with the file after chunking within 24 hours; try again, ",
        ),
    ],
)
def test_a_file_that_waits_fails_after_a_day_and_is_never_stalled(
    log: FileLog, message: str
) -> None:
    assert judged(log, 24 * HOUR_S - 1) == Judgement(again_in_s=1)

    verdict = judged(log, 24 * HOUR_S, witnessed_s=60).verdict

    assert isinstance(verdict, ProcessingFailed)
    assert verdict.message.startswith(message)
    assert verdict.step is None
    assert log.append(verdict) == "applied"


@pytest.mark.parametrize("end", [fact(ProcessingCompleted), fact(FileDeleted)])
def test_what_has_ended_is_never_accused(end: EventData) -> None:
    log = at_work()
    log.append(end)

    assert judge(log.document, FOR_EVER, LIMITS) == Judgement()


def test_the_same_silence_is_judged_in_the_same_words() -> None:
    log = at_work()
    stall(log)

    assert judged(log, 900).verdict == judged(log, 1_000).verdict


def test_a_line_about_a_file_that_waits_is_no_sign_of_life() -> None:
    log = in_the_queue()
    before = log.document.signed_at_ms

    assert log.append(waiting_line(log.document)) == "log_line"
    assert log.document.signed_at_ms == before


def test_only_open_steps_owe_signs_of_life() -> None:
    logs = (in_the_queue(), between_steps(), at_work(), at_work(max_silence_s=7))
    assert [allowed_silence_s(log.document, 60) for log in logs] == [None, None, 60, 7]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (0.2, "0 seconds"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (2_640, "44 minutes"),
        (86_400, "24 hours"),
    ],
)
def test_durations_are_said_in_the_largest_unit_that_fits(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_nobody_is_to_fail_before_they_can_be_stalled() -> None:
    with pytest.raises(ValueError, match=r"after 10 s, before it is stalled after 60 s"):
        replace(LIMITS, failed_after_s=10)
