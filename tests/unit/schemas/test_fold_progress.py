import pytest

from milepost_schemas.events import (
    MAX_STEPS,
    PlannedStep,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from tests.unit.schemas.file_log import FileLog, fact

PLAN = (
    PlannedStep(step="extracting", weight=1),
    PlannedStep(step="embedding", weight=2),
)


def planned() -> FileLog:
    log = FileLog()
    log.append(fact(StepStarted, step="extracting", plan=PLAN))
    return log


def percent_after(log: FileLog, **progress: object) -> int:
    log.append(fact(StepProgressed, **progress))
    return log.document.progress_percent


def test_planned_steps_count_by_their_weight_rounded_down() -> None:
    log = planned()

    assert percent_after(log, step="extracting", done_units=1, total_units=2) == 16
    log.append(fact(StepCompleted, step="extracting"))
    assert log.document.progress_percent == 33
    assert percent_after(log, step="embedding", done_units=3, total_units=4) == 83


def test_an_exact_share_is_not_lost_to_floating_point() -> None:
    log = FileLog()
    plan = tuple(PlannedStep(step=name, weight=weight) for name, weight in (("a", 29), ("b", 71)))
    log.append(fact(StepStarted, step="a", plan=plan))

    log.append(fact(StepCompleted, step="a"))

    assert log.document.progress_percent == 29


def test_without_a_plan_steps_and_units_move_no_percentage() -> None:
    log = FileLog()
    log.append_all(
        fact(StepStarted, step="extracting", total_units=10),
        fact(StepProgressed, step="extracting", done_units=10),
        fact(StepCompleted, step="extracting"),
    )

    assert log.status["progress_percent"] == 0
    assert log.step("extracting").done_units == 10


def test_only_the_first_plan_of_an_attempt_counts() -> None:
    log = planned()
    other = (PlannedStep(step="extracting", weight=1),)

    log.append(fact(StepStarted, step="extracting", plan=other))
    log.append(fact(StepCompleted, step="extracting"))

    assert log.document.progress_percent == 33


def test_a_plan_counts_what_was_done_before_it_came() -> None:
    log = FileLog()
    log.append(fact(StepCompleted, step="extracting"))

    log.append(fact(StepStarted, step="embedding", plan=PLAN))

    assert log.document.progress_percent == 33


def test_each_attempt_has_a_plan_of_its_own() -> None:
    log = planned()
    log.append_all(
        fact(ProcessingRequested, attempt=2, reason="retry"),
        fact(StepCompleted, attempt=2, step="extracting"),
    )

    assert log.document.progress_percent == 0


def test_steps_outside_the_plan_move_no_percentage() -> None:
    log = planned()

    log.append(fact(StepCompleted, step="proofreading"))

    assert log.document.progress_percent == 0
    assert log.status["current_step"] == "proofreading"


def test_an_explicit_percentage_is_the_whole_files() -> None:
    assert percent_after(planned(), step="extracting", progress_percent=42.9) == 42


def test_an_explicit_percentage_and_the_plan_never_lower_each_other() -> None:
    log = planned()
    assert percent_after(log, step="extracting", progress_percent=50) == 50

    log.append(fact(StepCompleted, step="extracting"))
    assert log.document.progress_percent == 50
    assert percent_after(log, step="extracting", progress_percent=20) == 50


def test_an_explicit_percentage_that_the_plan_has_reached_already_is_nothing_new() -> None:
    log = planned()
    log.append(fact(StepCompleted, step="extracting"))
    revision = log.document.revision

    assert percent_after(log, step="extracting", progress_percent=33) == 33
    assert log.document.revision == revision


def test_a_new_attempt_starts_at_zero() -> None:
    log = FileLog()
    percent_after(log, step="extracting", progress_percent=50)

    assert percent_after(log, attempt=2, step="extracting") == 0


@pytest.mark.parametrize("percent", [99.99, 100, 117, 1e6])
def test_progress_stays_below_100_until_the_file_is_completed(percent: float) -> None:
    log = FileLog()

    assert percent_after(log, step="embedding", progress_percent=percent) == 99
    log.append(fact(ProcessingCompleted))
    assert log.document.progress_percent == 100


def test_a_plan_that_is_done_stays_below_100_until_the_file_is_completed() -> None:
    log = planned()
    log.append_all(
        fact(StepCompleted, step="extracting"),
        fact(StepCompleted, step="embedding"),
    )

    assert log.status["progress_percent"] == 99


def test_a_failed_attempt_keeps_its_percentage() -> None:
    log = FileLog()
    percent_after(log, step="embedding", progress_percent=61)

    log.append(fact(ProcessingFailed, code="broken", message="It broke.", retryable=True))

    assert log.status["progress_percent"] == 61


def test_more_units_than_the_total_count_as_the_total() -> None:
    log = planned()

    assert percent_after(log, step="extracting", done_units=30, total_units=10) == 33
    assert log.step("extracting").done_units == 10


def test_a_smaller_share_never_replaces_a_larger_one() -> None:
    log = planned()
    percent_after(log, step="extracting", done_units=5, total_units=10)

    assert percent_after(log, step="extracting", done_units=6, total_units=100) == 16
    step = log.step("extracting")
    assert (step.done_units, step.total_units) == (5, 10)


def test_units_without_a_total_are_a_share_of_the_largest_total() -> None:
    log = planned()
    percent_after(log, step="extracting", done_units=5, total_units=10)
    percent_after(log, step="extracting", done_units=6, total_units=100)

    assert percent_after(log, step="extracting", done_units=7) == 16
    assert percent_after(log, step="extracting", done_units=80) == 26


def test_a_repeated_count_is_no_larger_share_after_the_total_has_shrunk() -> None:
    log = planned()
    percent_after(log, step="extracting", done_units=3, total_units=10)
    percent_after(log, step="extracting", done_units=2, total_units=4)

    assert percent_after(log, step="extracting", done_units=3) == 16


def test_a_total_that_comes_late_makes_a_share_of_what_was_counted() -> None:
    log = planned()
    assert percent_after(log, step="extracting", done_units=5) == 0

    log.append(fact(StepStarted, step="extracting", total_units=10))

    assert log.document.progress_percent == 16


def test_a_count_without_a_total_never_falls() -> None:
    log = FileLog()
    log.append(fact(StepProgressed, step="reading", done_units=5))

    assert log.append(fact(StepProgressed, step="reading", done_units=5)) == "sign_of_life"
    assert log.append(fact(StepProgressed, step="reading", done_units=4)) == "sign_of_life"
    assert log.step("reading").done_units == 5


def test_a_total_of_zero_counts_as_unknown() -> None:
    log = planned()
    percent_after(log, step="extracting", done_units=1, total_units=10)

    assert percent_after(log, step="extracting", done_units=50, total_units=0) == 33
    step = log.step("extracting")
    assert (step.done_units, step.total_units) == (10, 10)


def test_a_completed_step_has_all_its_units() -> None:
    log = planned()
    log.append(fact(StepStarted, step="extracting", total_units=10))

    log.append(fact(StepCompleted, step="extracting"))

    assert log.step("extracting").done_units == 10


def test_a_total_that_comes_after_the_completion_is_all_done() -> None:
    log = planned()
    log.append(fact(StepCompleted, step="extracting"))

    log.append(fact(StepProgressed, step="extracting", done_units=3, total_units=10))

    assert log.step("extracting").done_units == 10


def test_nearly_equal_shares_of_floats_are_compared_exactly() -> None:
    log = planned()
    percent_after(log, step="extracting", done_units=0.1, total_units=0.3)

    outcome = log.append(fact(StepProgressed, step="extracting", done_units=0.2, total_units=0.6))

    assert outcome == "sign_of_life"


def test_a_step_more_than_allowed_is_rejected_and_changes_nothing() -> None:
    log = FileLog()
    for number in range(MAX_STEPS):
        log.append(fact(StepStarted, step=f"step {number}"))
    before = log.rendered

    outcome = log.append(fact(StepStarted, step="one more"))

    assert outcome == "too_many_steps"
    assert log.rendered == before
    assert log.append(fact(StepProgressed, step="step 0")) == "sign_of_life"
    assert log.append(fact(StepStarted, attempt=2, step="one more")) == "applied"
