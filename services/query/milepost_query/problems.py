"""Everything that can go wrong for a caller, and the envelope that says so."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from starlette.responses import Response

from milepost_schemas.times import format_seconds

_NOT_FOUND: Final = "We couldn't find the requested resource."
_SIGN_IN: Final = "Please sign in and try again."
_NO_ACCESS: Final = "You don't have access to this resource."
_TRY_AGAIN: Final = "This is taking longer than usual. Please try again in a moment."


@dataclass(frozen=True)
class Problem:
    """A kind of error: for programs, for the user, and for the developer."""

    status: int
    code: str
    message: str
    system_message: str


AUTHENTICATION_REQUIRED: Final = Problem(
    401, "AUTHENTICATION_REQUIRED", _SIGN_IN, "No X-API-Key and no Authorization header was sent"
)
INVALID_API_KEY: Final = Problem(401, "INVALID_API_KEY", _SIGN_IN, "The API key is not known")
CONTRADICTING_KEYS: Final = Problem(
    401,
    "INVALID_API_KEY",
    _SIGN_IN,
    "X-API-Key and Authorization belong to different organizations",
)
API_KEY_EXPIRED: Final = Problem(401, "API_KEY_EXPIRED", _SIGN_IN, "The API key has expired")
TOKEN_INVALID: Final = Problem(
    401, "TOKEN_INVALID", _SIGN_IN, "The Authorization header holds no token that is accepted here"
)
TOKEN_EXPIRED: Final = Problem(401, "TOKEN_EXPIRED", _SIGN_IN, "The token has expired")
ORGANIZATION_ACCESS_DENIED: Final = Problem(
    403,
    "ORGANIZATION_ACCESS_DENIED",
    _NO_ACCESS,
    "The credentials belong to another organization than the path",
)
INSUFFICIENT_PERMISSIONS: Final = Problem(
    403, "INSUFFICIENT_PERMISSIONS", _NO_ACCESS, "The credentials lack the scope of this operation"
)
FILE_NOT_IN_STORE: Final = Problem(
    404, "FILE_NOT_IN_STORE", _NOT_FOUND, "File not found in this store"
)
VECTOR_STORE_NOT_FOUND: Final = Problem(
    404, "VECTOR_STORE_NOT_FOUND", _NOT_FOUND, "No store can have this id"
)
RESOURCE_NOT_FOUND: Final = Problem(404, "RESOURCE_NOT_FOUND", _NOT_FOUND, "No route has this path")
METHOD_NOT_ALLOWED: Final = Problem(
    405,
    "METHOD_NOT_ALLOWED",
    "This action isn't supported.",
    "The route does not support this method; Allow names those it does",
)
VALIDATION_ERROR: Final = Problem(
    422, "VALIDATION_ERROR", "Please check your input.", "The request does not fit the interface"
)
CONTENT_TOO_LARGE: Final = Problem(
    413, "CONTENT_TOO_LARGE", "This request is too large.", "The body exceeds details.max_bytes"
)
RATE_LIMIT_EXCEEDED: Final = Problem(
    429,
    "RATE_LIMIT_EXCEEDED",
    "Too many requests at a time. Please wait a moment and try again.",
    "A limit of this caller is used up; details name it, ask again after Retry-After seconds",
)
INTERNAL_ERROR: Final = Problem(
    500,
    "INTERNAL_ERROR",
    "Something went wrong on our side. Please try again.",
    "An unexpected error; the trace id finds it in the logs",
)
READ_MODEL_NOT_READY: Final = Problem(
    503,
    "READ_MODEL_NOT_READY",
    _TRY_AGAIN,
    "The read model cannot tell yet; ask again after Retry-After seconds",
)
TOKENS_NOT_CHECKED: Final = Problem(
    503,
    "TOKENS_NOT_CHECKED",
    _TRY_AGAIN,
    "The keys that tokens are checked against are not there yet; API keys are accepted",
)

RETRY_AFTER_S: Final = 1


class ProblemError(Exception):
    """Ends a request with a problem. `details` and `headers` are sent to the caller."""

    def __init__(
        self,
        problem: Problem,
        details: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.details = details or {}
        self.headers = headers or {}


class _Error(msgspec.Struct):
    code: str
    message: str
    system_message: str
    type: Literal["client_error", "server_error"]
    status: int
    details: Mapping[str, Any]
    trace_id: str
    timestamp: str


class _Envelope(msgspec.Struct):
    success: bool
    error: _Error


_encoder = msgspec.json.Encoder()


def envelope(problem: Problem, details: Mapping[str, Any], *, trace_id: str, now: float) -> bytes:
    """The body of an error, as JSON; `now` is in seconds since 1970."""
    error = _Error(
        problem.code,
        problem.message,
        problem.system_message,
        "client_error" if problem.status < 500 else "server_error",
        problem.status,
        details,
        trace_id,
        format_seconds(int(now)),
    )
    return _encoder.encode(_Envelope(success=False, error=error))


def problem_response(error: ProblemError, *, trace_id: bytes) -> Response:
    """The answer to a request that ended with a problem; never to be stored by a cache."""
    problem = error.problem
    headers = {"cache-control": "no-store"}
    if problem.status == 401:
        challenge = "" if problem is AUTHENTICATION_REQUIRED else ', error="invalid_token"'
        headers["www-authenticate"] = f'Bearer realm="milepost"{challenge}'
    if problem.status in (429, 503):
        headers["retry-after"] = str(error.details.get("retry_after", RETRY_AFTER_S))
    return Response(
        envelope(problem, error.details, trace_id=trace_id.decode(), now=time.time()),
        problem.status,
        {**headers, **error.headers},
        "application/json",
    )
