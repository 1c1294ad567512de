"""What the query service's answers mean."""

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from milepost.errors import (
    ApiError,
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
)

Model = TypeVar("Model", bound=BaseModel)

_ERRORS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitedError,
    502: GatewayError,
    503: NotReadyError,
    504: GatewayError,
}


def parse(model: type[Model], response: httpx.Response) -> Model:
    """The body of an answer; unknown keys are ignored.

    Raises:
        UnexpectedAnswerError: it is not an answer of the query service.
    """
    return parse_text(model, response.content, f"{response.status_code} from {response.url}")


def parse_text(model: type[Model], text: str | bytes, source: str) -> Model:
    """What a text says that came from somewhere; unknown keys are ignored.

    Raises:
        UnexpectedAnswerError: it is nothing that the query service says.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise UnexpectedAnswerError(f"{source}, which is no {model.__name__}") from error


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
