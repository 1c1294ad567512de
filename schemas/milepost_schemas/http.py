"""The bodies of the HTTP interface."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from milepost_schemas.document import Status

ErrorCode = Literal[
    "API_KEY_EXPIRED",
    "AUTHENTICATION_REQUIRED",
    "FILE_NOT_IN_STORE",
    "INSUFFICIENT_PERMISSIONS",
    "INTERNAL_ERROR",
    "INVALID_API_KEY",
    "METHOD_NOT_ALLOWED",
    "ORGANIZATION_ACCESS_DENIED",
    "READ_MODEL_NOT_READY",
    "RESOURCE_NOT_FOUND",
    "TOKEN_INVALID",
    "VALIDATION_ERROR",
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
