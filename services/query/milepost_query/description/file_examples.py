"""The examples in the description of the files' routes: one file, as each of them shows it."""

from typing import Any, Final

import msgspec

from milepost_query.renderings import file_details, file_item, file_list, file_log
from milepost_schemas.document import Document, FileError
from milepost_schemas.logs import LogLine
from milepost_schemas.progress import Step
from milepost_schemas.status_record import encode_status
from milepost_schemas.times import parse_time_ms


def _seconds(time: str) -> int:
    return parse_time_ms(f"2025-06-15T{time}Z") // 1000


_REGISTERED: Final = _seconds("10:00:00")

_COMPLETED: Final = Document(
    "org_xyz789",
    "vs_abc123",
    "file_abc123def456",
    revision=9,
    status="completed",
    explicit_percent=100,
    current_step=None,
    started_at=_seconds("10:00:05"),
    completed_at=_seconds("10:02:30"),
    steps=[
        Step("extracting", _seconds("10:00:05"), _seconds("10:00:20"), 12, 12),
        Step("embedding", _seconds("10:00:21"), _seconds("10:02:29"), 84, 84, 60),
    ],
    plan=[("extracting", 1), ("embedding", 4)],
    chunk_count=84,
    name="annual-report.pdf",
    size_bytes=1_048_576,
    mime_type="application/pdf",
    relative_path="reports/2025",
    registered_at=_REGISTERED,
    created_at=_REGISTERED,
    updated_at=_seconds("10:02:30"),
    offset=4711,
)

_FAILED: Final = Document(
    "org_xyz789",
    "vs_abc123",
    "file_def456abc123",
    revision=4,
    attempt=2,
    status="failed",
    explicit_percent=20,
    current_step="extracting",
    started_at=_seconds("10:00:05"),
    completed_at=_seconds("10:00:06"),
    error=FileError(
        code="password_protected",
        message="The PDF is protected by a password: remove it and upload the file again.",
        step="extracting",
        retryable=False,
    ),
    steps=[Step("extracting", _seconds("10:00:05"))],
    name="contract.pdf",
    size_bytes=20_480,
    mime_type="application/pdf",
    registered_at=_REGISTERED,
    created_at=_REGISTERED,
    updated_at=_seconds("10:00:06"),
    offset=4712,
)

_FILES: Final = {"completed": _COMPLETED, "failed": _FAILED}


def _json(body: bytes) -> Any:  # noqa: ANN401  any body
    return msgspec.json.decode(body)


LISTS: Final = {
    "two files": _json(file_list([*map(file_item, _FILES.values())], total=2, skip=0, limit=20)),
    "no files": _json(file_list([], total=0, skip=0, limit=20)),
}
DETAILS: Final = {name: _json(file_details(document)) for name, document in _FILES.items()}
DOCUMENTS: Final = {name: _json(encode_status(document)) for name, document in _FILES.items()}
LOGS: Final = {
    "two lines": _json(
        file_log(
            [
                LogLine("", "2025-06-15T10:00:06Z", "info", "12 pages found"),
                LogLine("", "2025-06-15T10:00:19Z", "warning", "Page 7 holds no text"),
            ]
        )
    )
}
