"""Documents of one file in the states that the tests need."""

from milepost_schemas.document import Document, FileError
from milepost_schemas.events import Event, LogLevel, LogRecorded
from milepost_schemas.logs import LogLine, log_line
from milepost_schemas.times import parse_time_ms
from tests.integration.query.running import ORGANIZATION

STORE = "vs_abc123"
FILE = "file_abc123def456"
PATH = f"/v1/organizations/{ORGANIZATION}/stores/{STORE}/files/{FILE}/status"

STARTED = parse_time_ms("2025-06-15T10:00:05Z") // 1000
COMPLETED = parse_time_ms("2025-06-15T10:02:30Z") // 1000


def processing(**changes: object) -> Document:
    document = Document(
        ORGANIZATION,
        STORE,
        FILE,
        revision=7,
        status="processing",
        explicit_percent=50,
        current_step="embedding",
        started_at=STARTED,
    )
    for name, value in changes.items():
        setattr(document, name, value)
    return document


def completed() -> Document:
    return processing(
        revision=12,
        status="completed",
        explicit_percent=100,
        current_step=None,
        completed_at=COMPLETED,
    )


def retried() -> Document:
    return Document(ORGANIZATION, STORE, FILE, revision=13, attempt=2)


def failed() -> Document:
    return processing(
        revision=9,
        status="failed",
        explicit_percent=20,
        current_step="extracting",
        completed_at=COMPLETED,
        error=FileError(
            code="password",
            message="Das PDF ist geschützt: „Passwort“ entfernen.",
            step="extracting",
            retryable=False,
        ),
    )


def deleted() -> Document:
    return processing(revision=14, deleted_at=COMPLETED)


def line(time: str, level: LogLevel, message: str) -> LogLine:
    time_ms = parse_time_ms(f"2025-06-15T{time}Z")
    data = LogRecorded(
        organization_id=ORGANIZATION,
        store_id=STORE,
        file_id=FILE,
        attempt=1,
        level=level,
        message=message,
    )
    return log_line(Event(time, "/tests", time_ms, data), time_ms)
