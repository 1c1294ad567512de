"""What the query service's answers mean."""

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from milepost.errors import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
)
from milepost_schemas.http import ProcessingStatus

_ERRORS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitedError,
    503: NotReadyError,
}


def parse_status(response: httpx.Response) -> ProcessingStatus:
    """The status in an answer; unknown keys are ignored.

    Raises:
        ApiError: the answer is an error, by its HTTP status.
        UnexpectedAnswerError: it is not an answer of the query service.
    """
    raise_for_error(response)
    try:
        return ProcessingStatus.model_validate_json(response.content)
    except ValidationError as error:
        what = f"{response.status_code} from {response.url}, which is no status"
        raise UnexpectedAnswerError(what) from error


def raise_for_error(response: httpx.Response) -> None:
    """Raise the error that the answer is, if it is one; the envelope may be missing."""
    status = response.status_code
    if status < 400:
        return
    fallback = InvalidRequestError if status < 500 else ServerError
    raise _ERRORS.get(status, fallback)(
        error=_error_body(response), status=status, retry_after_s=_retry_after_s(response)
    )


def _error_body(response: httpx.Response) -> dict[str, Any]:
    """The `error` of the envelope; of a proxy's page, only that it was none."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error
    return {"system_message": f"{response.reason_phrase} without an error envelope"}


def _retry_after_s(response: httpx.Response) -> float | None:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else None
