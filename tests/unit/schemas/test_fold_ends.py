import pytest

from milepost_schemas.document import Document
from milepost_schemas.events import (
    EventData,
    FileDeleted,
    FileRegistered,
    LogRecorded,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    ProcessingStalled,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.record import encode_record
from tests.unit.schemas.file_log import FileLog, fact
from tests.unit.schemas.silence import last_sign

COMPLETED = fact(ProcessingCompleted, chunk_count=3)
FAILED = fact(ProcessingFailed, code="broken", message="It broke.", retryable=True)
WORK = [
    fact(StepStarted, step="indexing"),
    fact(StepProgressed, step="indexing", progress_percent=99),
    fact(StepCompleted, step="indexing"),
]
REGISTERED = fact(FileRegistered, name="a.pdf", size_bytes=7, mime_type="application/pdf")


def name_of(data: EventData) -> str:
    return type(data).__name__


@pytest.mark.parametrize("end", [COMPLETED, FAILED], ids=name_of)
@pytest.mark.parametrize("later", [*WORK, COMPLETED, FAILED], ids=name_of)
def test_the_first_end_of_an_attempt_wins(end: EventData, later: EventData) -> None:
    log = FileLog()
    log.append_all(fact(StepStarted, step="extracting"), end)
    before = encode_record(log.document)

    outcome = log.append(later)

    assert outcome == "after_terminal"
    assert encode_record(log.document) == before


@pytest.mark.parametrize("end", [COMPLETED, FAILED], ids=name_of)
def test_nobody_stalls_after_the_end(end: EventData) -> None:
    log = FileLog()
    log.append_all(fact(StepStarted, step="extracting"), end)

    outcome = log.append(fact(ProcessingStalled, silent_since=last_sign(log)))

    assert outcome == "after_terminal"
    assert log.rendered["stalled_since"] is None


def test_a_log_line_after_the_end_is_kept() -> None:
    log = FileLog()
    log.append(COMPLETED)

    assert log.append(fact(LogRecorded, level="info", message="Done.")) == "log_line"


def test_registration_after_the_end_names_the_file_without_opening_it() -> None:
    log = FileLog()
    log.append(COMPLETED)

    log.append(REGISTERED)

    assert log.rendered["name"] == "a.pdf"
    assert log.status["status"] == "completed"


def test_a_deleted_file_is_a_marker() -> None:
    log = FileLog()
    log.append_all(REGISTERED, COMPLETED)

    log.append(fact(FileDeleted))

    assert log.rendered == {
        "organization_id": "org_1",
        "store_id": "vs_1",
        "file_id": "file_1",
        "revision": 3,
        "offset": 2,
        "attempt": 1,
        "deleted_at": "2025-06-15T10:00:02Z",
    }


def test_a_marker_keeps_nothing_of_what_was_known() -> None:
    log = FileLog()
    log.append_all(REGISTERED, fact(StepStarted, step="extracting", total_units=3), COMPLETED)
    log.append(fact(FileDeleted))
    marker = Document("org_1", "vs_1", "file_1")
    kept = {"revision", "created_at", "updated_at", "deleted_at", "offset"}

    assert [
        name
        for name in marker.__struct_fields__
        if getattr(log.document, name) != getattr(marker, name)
    ] == [name for name in marker.__struct_fields__ if name in kept]


@pytest.mark.parametrize(
    "later",
    [
        REGISTERED,
        fact(ProcessingRequested, attempt=2, reason="retry"),
        *WORK,
        COMPLETED,
        FAILED,
        fact(LogRecorded, level="info", message="Gone."),
        fact(FileDeleted, attempt=2),
    ],
    ids=name_of,
)
def test_a_deleted_file_stays_deleted(later: EventData) -> None:
    log = FileLog()
    log.append_all(REGISTERED, fact(FileDeleted))
    before = encode_record(log.document)

    outcome = log.append(later)

    assert outcome == "after_deletion"
    assert encode_record(log.document) == before


def test_a_deletion_applies_at_any_attempt() -> None:
    log = FileLog()
    log.append(fact(StepStarted, attempt=3, step="extracting"))

    log.append(fact(FileDeleted, attempt=1))

    assert log.document.is_deleted
    assert log.document.attempt == 3


def test_an_unknown_file_can_be_deleted() -> None:
    log = FileLog()

    log.append(fact(FileDeleted))

    assert log.document.is_deleted
    assert log.document.revision == 1


@pytest.mark.parametrize("deleted", [False, True])
def test_an_event_of_another_organization_is_rejected(deleted: bool) -> None:  # noqa: FBT001  one case each
    log = FileLog()
    log.append(fact(FileDeleted) if deleted else REGISTERED)
    before = encode_record(log.document)

    outcome = log.append(fact(StepStarted, organization_id="org_2", step="extracting"))

    assert outcome == "wrong_organization"
    assert encode_record(log.document) == before
