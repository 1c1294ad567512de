"""Answers of the routes that FastAPI serves, whose bodies are made already."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from milepost_query.freshness import Freshness
from milepost_query.status import Headers, Status
from milepost_schemas.document import Document

_CACHING: Final = (b"cache-control", b"private, no-cache")


def answer(body: bytes, headers: Headers) -> Response:
    """A body that no cache may use unasked."""
    return _with_headers(Response(body, media_type="application/json"), headers)


def document_answer(
    request: Request,
    status: Status,
    freshness: Freshness,
    *,
    render: Callable[[Document], bytes],
) -> Response:
    """An answer about one revision of a document; 304 to a client that holds it."""
    headers = (*status.document_headers, *freshness.headers)
    condition = request.headers.get("if-none-match")
    if condition is not None and status.is_named_by(condition.encode("latin-1")):
        return _with_headers(Response(status_code=304), headers)
    return answer(render(status.document()), headers)


def _with_headers(response: Response, headers: Headers) -> Response:
    response.raw_headers += (*headers, _CACHING)
    return response
