"""The bodies that are made of documents, as the interface writes them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from milepost_schemas.document import Document
from milepost_schemas.logs import LogLine
from milepost_schemas.times import format_seconds

_encoder: Final = msgspec.json.Encoder()


class _Item(msgspec.Struct):
    file_id: str
    name: str | None
    size: int | None
    mime_type: str | None
    relative_path: str | None
    status: str
    progress_percent: int
    current_step: str | None
    error_message: str | None
    created_at: str
    processed_at: str | None


class _Details(msgspec.Struct):
    file_id: str
    name: str | None
    size: int | None
    mime_type: str | None
    relative_path: str | None
    status: str
    chunk_count: int | None
    error_message: str | None
    created_at: str
    processing_started_at: str | None
    processing_completed_at: str | None


class _Line(msgspec.Struct):
    timestamp: str
    level: str
    message: str


class _Log(msgspec.Struct):
    logs: list[_Line]


def file_item(document: Document) -> bytes:
    """One item of a list."""
    return _encoder.encode(
        _Item(
            document.file_id,
            document.name,
            document.size_bytes,
            document.mime_type,
            document.relative_path,
            document.status,
            document.progress_percent,
            document.current_step,
            None if document.error is None else document.error.message,
            format_seconds(document.created_at),
            _time(document.completed_at),
        )
    )


def file_list(items: Sequence[bytes], *, total: int, skip: int, limit: int) -> bytes:
    """A page of a list; `total` counts what there is on all pages."""
    has_more = b"true" if skip + len(items) < total else b"false"
    return b'{"items":[%b],"total":%d,"skip":%d,"limit":%d,"has_more":%b}' % (
        b",".join(items),
        total,
        skip,
        limit,
        has_more,
    )


def file_details(document: Document) -> bytes:
    """One file."""
    return _encoder.encode(
        _Details(
            document.file_id,
            document.name,
            document.size_bytes,
            document.mime_type,
            document.relative_path,
            document.status,
            document.chunk_count,
            None if document.error is None else document.error.message,
            format_seconds(document.created_at),
            _time(document.started_at),
            _time(document.completed_at),
        )
    )


def file_log(lines: Sequence[LogLine]) -> bytes:
    """The lines of a file's log, oldest first."""
    return _encoder.encode(
        _Log([_Line(line.timestamp, line.level, line.message) for line in lines])
    )


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_seconds(seconds)
