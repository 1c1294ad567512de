import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from milepost_schemas.document import Document, render_status
from milepost_schemas.fold import apply, fold
from milepost_schemas.record import decode_record, encode_record
from milepost_schemas.status_record import encode_status
from tests.property.histories import STORED, Move, moves, play

KEYS = [
    "status",
    "progress_percent",
    "current_step",
    "error_message",
    "started_at",
    "completed_at",
]


def visible(document: Document) -> dict[str, Any]:
    """The full rendering without what only says which revision it is."""
    rendered: dict[str, Any] = json.loads(encode_status(document))
    return {k: v for k, v in rendered.items() if k not in {"revision", "updated_at", "offset"}}


@given(moves())
def test_apply_is_pure_and_equals_the_fold_in_place(history: list[Move]) -> None:
    document: Document | None = None
    for move in play(history):
        kept = copy.deepcopy(document)
        after = apply(document, move.event, move.offset, move.appended_ms)

        assert document == kept
        if move.event.data.organization_id != "org_1" and document is None:
            return  # whoever speaks first owns the file; in place the owner is given
        assert after == (move.after if move.after.revision else None)
        document = after


@given(moves())
def test_the_revision_rises_by_one_exactly_when_something_visible_changes(
    history: list[Move],
) -> None:
    for before, _, offset, _, _, after in play(history):
        changed = visible(after) != visible(before) if before.revision else after.revision == 1

        assert after.revision - before.revision == int(changed)
        assert (after.offset == offset) == changed


@given(moves())
def test_what_need_not_be_stored_has_not_changed(history: list[Move]) -> None:
    for before, _, _, _, outcome, after in play(history):
        if outcome not in STORED or (outcome == "log_line" and before.revision):
            assert encode_record(after) == encode_record(before)


@given(moves(), st.sets(st.integers(0, 25)))
def test_a_replay_with_restarts_gives_the_same_bytes(
    history: list[Move], restarts: set[int]
) -> None:
    transitions = list(play(history))
    document = Document("org_1", "vs_1", "file_1")
    stored: bytes | None = None
    for _, event, offset, appended_ms, _, _ in transitions:
        if offset in restarts:
            document = decode_record(stored) if stored else Document("org_1", "vs_1", "file_1")
        if fold(document, event, offset, appended_ms) in STORED:
            stored = encode_record(document)

    known = [move.after for move in transitions if move.after.revision]
    assert stored == (encode_record(known[-1]) if known else None)


@given(moves())
def test_progress_never_decreases_inside_an_attempt(history: list[Move]) -> None:
    for move in play(history):
        if move.after.attempt == move.before.attempt and not move.after.is_deleted:
            assert move.after.progress_percent >= move.before.progress_percent
            for step, later in zip(move.before.steps, move.after.steps, strict=False):
                assert later.step == step.step
                assert later.is_completed >= step.is_completed


@given(moves())
def test_an_ended_attempt_never_changes_its_answer(history: list[Move]) -> None:
    for move in play(history):
        assert move.after.attempt >= move.before.attempt
        if move.before.is_deleted:
            assert move.outcome in {"after_deletion", "wrong_organization"}
        elif move.before.is_terminal and move.after.attempt == move.before.attempt:
            assert move.after.is_deleted or render_status(move.after) == render_status(move.before)


@given(moves())
@settings(max_examples=200)
def test_every_answer_keeps_the_promises(history: list[Move]) -> None:
    for move in play(history):
        if not move.after.revision or move.after.is_deleted:
            continue
        answer = json.loads(render_status(move.after))
        assert list(answer) == KEYS
        check_answer(answer)


def check_answer(answer: dict[str, Any]) -> None:
    status, percent, step, error, started_at, completed_at = answer.values()
    assert isinstance(percent, int)
    assert 0 <= percent <= 100
    assert (percent == 100) == (status == "completed") == (step is None)
    assert (error is not None) == (status == "failed")
    assert error is None or error.strip()
    assert (completed_at is not None) == (status in {"completed", "failed"})
    if status == "pending":
        assert (percent, step, started_at) == (0, "queued", None)
    if status == "processing":
        assert started_at is not None
    if started_at and completed_at:
        assert completed_at >= started_at


@given(moves())
def test_a_step_never_has_more_done_than_there_is(history: list[Move]) -> None:
    for move in play(history):
        for step in move.after.steps:
            if step.total_units is not None:
                assert step.done_units is not None
                assert 0 <= step.done_units <= step.total_units


@given(moves())
def test_times_are_never_later_than_the_broker_says(history: list[Move]) -> None:
    for move in play(history):
        limit = move.appended_ms // 1000
        document = move.after
        times = [document.started_at, document.completed_at, document.updated_at]
        times += [step.started_at for step in document.steps]
        assert all(time is None or time <= limit for time in times)
        assert document.signed_at_ms <= move.appended_ms
