"""What a delivery that is late or repeated may do to the answer: nothing."""

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn

from milepost_schemas.document import Document, render_status
from milepost_schemas.events import (
    Event,
    EventData,
    FileRegistered,
    LogRecorded,
    PlannedStep,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.fold import fold
from tests.property.histories import IDENTITY, START_MS, ends, facts, others, units, work

T = TypeVar("T")

STAGES = ("extracting", "chunking", "embedding", "indexing")
PLAN = tuple(PlannedStep(step=stage, weight=weight) for weight, stage in enumerate(STAGES, 1))


def fact(kind: type[T], attempt: int, **fields: Any) -> T:
    identity: dict[str, Any] = {"organization_id": "org_1", "attempt": attempt, **IDENTITY}
    return kind(**(identity | fields))


@st.composite
def stage_reports(draw: DrawFn, attempt: int, stage: str) -> list[EventData]:
    """What one stage publishes, in its own order."""
    plan = draw(st.sampled_from([PLAN, PLAN, None]))
    total = draw(st.none() | units)
    reports: list[EventData] = []
    if draw(st.sampled_from([True, True, False])):
        reports.append(fact(StepStarted, attempt, step=stage, plan=plan, total_units=total))
    for _ in range(draw(st.integers(0, 4))):
        done = draw(units | st.none())
        total = draw(st.sampled_from([None, total]) | units)
        percent = draw(st.sampled_from([None, None, None, 10, 50, 100]))
        progress = {"done_units": done, "total_units": total, "progress_percent": percent}
        reports.append(fact(StepProgressed, attempt, step=stage, **progress))
    if draw(st.booleans()):
        reports.append(fact(StepCompleted, attempt, step=stage))
    return reports


@st.composite
def histories(draw: DrawFn) -> list[EventData]:
    """Some attempts; the stages of one may overlap, and each but the last may be abandoned."""
    history: list[EventData] = []
    for attempt in range(1, draw(st.integers(1, 3)) + 1):
        history += draw(st.sampled_from([opening(attempt), []]))
        publishers = [draw(stage_reports(attempt, stage)) for stage in STAGES]
        while any(publishers):
            nonempty = [reports for reports in publishers if reports]
            history.append(draw(st.sampled_from(nonempty)).pop(0))
        history += draw(st.sampled_from([*endings(attempt), []]))
    return history


def opening(attempt: int) -> list[EventData]:
    if attempt > 1:
        return [fact(ProcessingRequested, attempt, reason="retry")]
    file = {"name": "a.pdf", "size_bytes": 7, "mime_type": "application/pdf"}
    return [fact(FileRegistered, attempt, **file)]


def endings(attempt: int) -> list[list[EventData]]:
    broken = {"code": "broken", "message": "It broke.", "retryable": True}
    return [
        [fact(ProcessingCompleted, attempt, chunk_count=3)],
        [fact(ProcessingFailed, attempt, step="embedding", **broken)],
        [fact(LogRecorded, attempt, level="info", message="Pausing.")],
    ]


def events_of(history: Sequence[EventData], data: DataObject) -> list[Event]:
    """The events by clocks that are right, behind or missing."""
    behind_ms = st.sampled_from([0, 0, 3, 5_000, None])
    events = []
    for number, fact_ in enumerate(history):
        behind = data.draw(behind_ms)
        time_ms = None if behind is None else START_MS + number * 1000 - behind
        events.append(Event(str(number), "stage", time_ms, fact_))
    return events


def disturbances(heard: Sequence[Event], data: DataObject) -> list[Event]:
    """Events heard before, and events of the attempts before the newest one."""
    repeated = data.draw(st.lists(st.sampled_from(heard), max_size=3))
    newest = max(event.data.attempt for event in heard if not isinstance(event.data, LogRecorded))
    if newest == 1:
        return repeated
    lower = facts({**work, **ends, **others}, st.integers(1, newest - 1), st.just("org_1"))
    late = [Event("late", "stage", None, fact_) for fact_ in data.draw(st.lists(lower, max_size=2))]
    return data.draw(st.permutations(repeated + late))


@given(histories(), st.data())
def test_repeated_and_late_events_never_change_the_answer(
    history: list[EventData], data: DataObject
) -> None:
    calm, disturbed = (Document("org_1", "vs_1", "file_1") for _ in range(2))
    events = events_of(history, data)
    offset = 0
    for number, event in enumerate(events):
        appended_ms = START_MS + number * 1000
        fold(calm, event, number, appended_ms)
        fold(disturbed, event, offset, appended_ms)
        if not any(not isinstance(heard.data, LogRecorded) for heard in events[: number + 1]):
            continue
        for disturbance in disturbances(events[: number + 1], data):
            offset += 1
            fold(disturbed, disturbance, offset, appended_ms + 500)
        offset += 1

        assert render_status(disturbed) == render_status(calm)
        assert disturbed.attempt == calm.attempt
