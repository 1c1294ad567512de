"""The bodies of the HTTP interface."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from milepost_schemas.document import Status
from milepost_schemas.events import LogLevel

ErrorCode = Literal[
    "API_KEY_EXPIRED",
    "AUTHENTICATION_REQUIRED",
    "CONTENT_TOO_LARGE",
    "FILE_NOT_IN_STORE",
    "INSUFFICIENT_PERMISSIONS",
    "INTERNAL_ERROR",
    "INVALID_API_KEY",
    "METHOD_NOT_ALLOWED",
    "ORGANIZATION_ACCESS_DENIED",
    "RATE_LIMIT_EXCEEDED",
    "READ_MODEL_NOT_READY",
    "RESOURCE_NOT_FOUND",
    "TOKENS_NOT_CHECKED",
    "TOKEN_EXPIRED",
    "TOKEN_INVALID",
    "VALIDATION_ERROR",
    "VECTOR_STORE_NOT_FOUND",
]


class ProcessingStatus(BaseModel):
    """Where the processing of a file stands: six keys, always all of them."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    status: Status
    """`completed` and `failed` are final for the attempt."""
    progress_percent: int = Field(ge=0, le=100)
    """0 when pending, 0 to 99 while processing, 100 only when completed."""
    current_step: str | None
    """`queued` when pending, null when completed."""
    error_message: str | None
    """On failure, one sentence that says what to do."""
    started_at: datetime | None
    """When work on this attempt began."""
    completed_at: datetime | None
    """When this attempt ended, with or without a result."""

    @property
    def is_terminal(self) -> bool:
        return self.status in ("completed", "failed")


class FileListItem(BaseModel):
    """A file as lists show it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file_id: str
    """The file, unique in its store."""
    name: str | None
    """The file's name, null if it was never registered."""
    size: int | None
    """Size of the content in bytes, null if the file was never registered."""
    mime_type: str | None
    """Media type of the content, null if the file was never registered."""
    relative_path: str | None
    """Path below the folder it was uploaded from, null if there was none."""
    status: Status
    """Where the newest attempt stands."""
    progress_percent: int = Field(ge=0, le=100)
    """0 when pending, 0 to 99 while processing, 100 only when completed."""
    current_step: str | None
    """`queued` when pending, null when completed."""
    error_message: str | None
    """On failure, one sentence that says what to do."""
    created_at: datetime
    """When the file was first heard of; lists are sorted by it."""
    processed_at: datetime | None
    """When the attempt ended, with or without a result."""


class FileList(BaseModel):
    """A page of a store's files, newest first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    items: tuple[FileListItem, ...]
    """The files of this page."""
    total: int = Field(ge=0)
    """The files on all pages."""
    skip: int = Field(ge=0)
    """How many files come before this page."""
    limit: int = Field(ge=1)
    """How many files a page has at most."""
    has_more: bool
    """Whether there are files after this page."""


class FileDetails(BaseModel):
    """A file."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file_id: str
    """The file, unique in its store."""
    name: str | None
    """The file's name, null if it was never registered."""
    size: int | None
    """Size of the content in bytes, null if the file was never registered."""
    mime_type: str | None
    """Media type of the content, null if the file was never registered."""
    relative_path: str | None
    """Path below the folder it was uploaded from, null if there was none."""
    status: Status
    """Where the newest attempt stands."""
    chunk_count: int | None
    """How many chunks the completed file has, null if that was never said."""
    error_message: str | None
    """On failure, one sentence that says what to do."""
    created_at: datetime
    """When the file was first heard of."""
    processing_started_at: datetime | None
    """When work on this attempt began."""
    processing_completed_at: datetime | None
    """When this attempt ended, with or without a result."""


class LogEntry(BaseModel):
    """A line of a file's processing log."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    timestamp: datetime
    """When it was written."""
    level: LogLevel
    """How much it matters."""
    message: str
    """What happened."""


class FileLog(BaseModel):
    """The newest lines of a file's processing log."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    logs: tuple[LogEntry, ...]
    """At most 200, the oldest of them first."""


class StoreUsage(BaseModel):
    """What a store holds."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    store_id: str
    """The store."""
    store_name: str
    """The store's id: Milepost knows no other name of it."""
    used_bytes: int = Field(ge=0)
    """Sum of the sizes of its files."""
    file_count: int = Field(ge=0)
    """How many files it has."""


class StorageUsage(BaseModel):
    """What an organization stores."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    total_bytes: int = Field(ge=0)
    """What it may use, as the operator says; 9007199254740991 without a limit."""
    used_bytes: int = Field(ge=0)
    """Sum of the sizes of all its files."""
    file_count: int = Field(ge=0)
    """How many files it has."""
    stores: tuple[StoreUsage, ...]
    """Those of its stores that have files, by id."""


class SupportedType(BaseModel):
    """A type of files that are read."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    extensions: tuple[str, ...]
    """What names of such files end in, with the dot, in small letters."""
    max_bytes: int = Field(gt=0)
    """Largest file that is read."""
    description: str
    """What such a file is called."""


class UnsupportedTypes(BaseModel):
    """Files that cannot be read."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    category: str
    """What kind of files they are."""
    extensions: tuple[str, ...]
    """What names of such files end in, with the dot, in small letters."""
    reason: str
    """Why, and what to do instead."""


class FileConfig(BaseModel):
    """What may be uploaded."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    direct_upload_max_bytes: int = Field(gt=0)
    """Largest file that one request may carry."""
    chunked_upload_chunk_bytes: int = Field(gt=0)
    """Size of the parts in which larger ones are sent."""
    supported_types: dict[str, SupportedType]
    """The types that are read, by name."""
    unsupported_categories: tuple[UnsupportedTypes, ...]
    """Those that people try although they are not read."""


class StatusesRequest(BaseModel):
    """The files of one store whose statuses are asked for at once."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    file_ids: list[str] = Field(min_length=1, max_length=500)
    """One that is named again is answered once."""
    until: Literal["any", "all"] = "all"
    """With `Prefer: wait`, whose end is waited for. A file that is not there has ended."""


class Statuses(BaseModel):
    """The status of each file that was asked for."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    files: dict[str, ProcessingStatus | Literal["not_found"]]
    """By id, in the order of the request. `not_found` is said only when it is certain."""


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    code: ErrorCode | str
    """For programs."""
    message: str
    """May be shown to a user."""
    system_message: str
    """For developers."""
    type: Literal["client_error", "server_error"]
    """Who has to act."""
    status: int
    """The HTTP status."""
    details: dict[str, Any] = Field(default_factory=dict)
    """Facts that belong to the code."""
    trace_id: str
    """The trace of the request, to name in a support question."""
    timestamp: datetime
    """When the error happened."""


class ErrorEnvelope(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(frozen=True)

    success: Literal[False] = False
    error: ErrorBody
