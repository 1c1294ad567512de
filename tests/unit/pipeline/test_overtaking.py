from datetime import UTC, datetime

import pytest

from milepost_pipeline.content import FileRef
from milepost_pipeline.overtaking import Board
from milepost_schemas.events import (
    EventData,
    FileDeleted,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
)

FILE = FileRef("org_a", "vs_a", "file_1")
SILENT_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def requested(attempt: int) -> ProcessingRequested:
    return ProcessingRequested(
        organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=attempt, reason="retry"
    )


def failed(attempt: int, *, silent_since: datetime | None = None) -> ProcessingFailed:
    return ProcessingFailed(
        organization_id="org_a",
        store_id="vs_a",
        file_id="file_1",
        attempt=attempt,
        code="no_sign_of_life" if silent_since else "no_text",
        message="x",
        retryable=False,
        silent_since=silent_since,
    )


def completed(attempt: int) -> ProcessingCompleted:
    return ProcessingCompleted(
        organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=attempt
    )


def deleted() -> FileDeleted:
    return FileDeleted(organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=1)


@pytest.mark.parametrize(
    ("event", "overtaken"),
    [
        (requested(3), {1, 2}),
        (completed(2), {1, 2}),
        (failed(2), {1, 2}),
        (deleted(), {1, 2, 3, 1000}),
    ],
)
def test_an_event_overtakes_exactly_the_attempts_it_ends(
    event: EventData, overtaken: set[int]
) -> None:
    board = Board()
    assert board.note(FILE, event)
    assert {n for n in (1, 2, 3, 1000) if board.is_overtaken(FILE, n)} == overtaken


def test_a_verdict_about_silence_stops_nobody_who_is_not_silent() -> None:
    board = Board()
    assert not board.note(FILE, failed(1, silent_since=SILENT_SINCE))
    assert not board.is_overtaken(FILE, 1)


def test_the_completion_of_a_step_overtakes_nothing() -> None:
    step = StepCompleted(
        organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=1, step="chunking"
    )
    board = Board()
    assert not board.note(FILE, step)
    assert not board.is_overtaken(FILE, 1)


def test_a_late_event_of_an_older_attempt_gives_nothing_back() -> None:
    board = Board()
    board.note(FILE, requested(5))
    board.note(FILE, failed(2))
    assert board.is_overtaken(FILE, 4)


def test_the_same_ids_in_another_organization_are_another_file() -> None:
    board = Board()
    board.note(FILE, deleted())
    assert not board.is_overtaken(FileRef("org_b", "vs_a", "file_1"), 1)


def test_only_the_files_mentioned_last_are_remembered() -> None:
    board = Board(files_remembered=2)
    others = [FileRef("org_a", "vs_a", f"file_{n}") for n in (2, 3)]
    for file in (FILE, *others):
        board.note(file, deleted())
    assert not board.is_overtaken(FILE, 1)
    assert all(board.is_overtaken(file, 1) for file in others)
