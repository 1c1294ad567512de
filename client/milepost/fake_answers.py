"""The bodies that the query service would answer from a log in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime

from milepost_schemas.document import Document
from milepost_schemas.http import (
    FileDetails,
    FileList,
    FileListItem,
    FileLog,
    LogEntry,
    StorageUsage,
    StoreUsage,
)
from milepost_schemas.logs import LogLine

_NO_LIMIT = 2**53 - 1


def list_body(documents: Sequence[Document], *, skip: int, limit: int) -> FileList:
    """The page of a list; the documents are those of all pages, in any order."""
    newest = sorted(documents, key=lambda each: (each.created_at, each.file_id), reverse=True)
    return FileList(
        items=tuple(_item(document) for document in newest[skip : skip + limit]),
        total=len(newest),
        skip=skip,
        limit=limit,
        has_more=skip + limit < len(newest),
    )


def details_body(document: Document) -> FileDetails:
    """One file."""
    return FileDetails(
        file_id=document.file_id,
        name=document.name,
        size=document.size_bytes,
        mime_type=document.mime_type,
        relative_path=document.relative_path,
        status=document.status,
        chunk_count=document.chunk_count,
        error_message=_error_message(document),
        created_at=datetime.fromtimestamp(document.created_at, UTC),
        processing_started_at=_moment(document.started_at),
        processing_completed_at=_moment(document.completed_at),
    )


def log_body(lines: Sequence[LogLine]) -> FileLog:
    """The lines of a file's log, oldest first."""
    entries = [
        LogEntry.model_validate(
            {"timestamp": line.timestamp, "level": line.level, "message": line.message}
        )
        for line in lines
    ]
    return FileLog(logs=tuple(entries))


def usage_body(documents: Sequence[Document]) -> StorageUsage:
    """What the files of an organization come to."""
    stores = []
    for store_id in sorted({document.store_id for document in documents}):
        sizes = [each.size_bytes or 0 for each in documents if each.store_id == store_id]
        stores.append(
            StoreUsage(
                store_id=store_id,
                store_name=store_id,
                used_bytes=sum(sizes),
                file_count=len(sizes),
            )
        )
    return StorageUsage(
        total_bytes=_NO_LIMIT,
        used_bytes=sum(store.used_bytes for store in stores),
        file_count=len(documents),
        stores=tuple(stores),
    )


def _item(document: Document) -> FileListItem:
    return FileListItem(
        file_id=document.file_id,
        name=document.name,
        size=document.size_bytes,
        mime_type=document.mime_type,
        relative_path=document.relative_path,
        status=document.status,
        progress_percent=document.progress_percent,
        current_step=document.current_step,
        error_message=_error_message(document),
        created_at=datetime.fromtimestamp(document.created_at, UTC),
        processed_at=_moment(document.completed_at),
    )


def _error_message(document: Document) -> str | None:
    return None if document.error is None else document.error.message


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
