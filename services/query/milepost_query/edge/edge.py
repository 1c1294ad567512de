"""The edge of the service: what every request passes on its way in, every answer on its way out."""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from milepost_query.edge.access_log import AccessLog
from milepost_query.edge.call import UNKNOWN_ROUTE, Call, Calls, Headers
from milepost_query.edge.cross_origin import CrossOrigin
from milepost_query.edge.request_metrics import RequestMetrics
from milepost_query.problems import CONTENT_TOO_LARGE, ProblemError, problem_response

TOO_MANY_REQUESTS: Final = 429

MAX_BODY_BYTES: Final = 256 * 1024
"""Enough for a batch of ids of the greatest length, were each letter of them escaped twice."""

_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_DATA: Final[Headers] = (_NO_SNIFFING,)
"""Answers are data, and no browser takes them for anything else."""

_DOCS_POLICY: Final = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Swagger UI brings a script and styles inside its page."""

_DOCS: Final[Headers] = (
    _NO_SNIFFING,
    (b"content-security-policy", _DOCS_POLICY),
    (b"referrer-policy", b"no-referrer"),
)


class Edge:
    """Gives each request its ids, refuses what is too large, and adds to each answer what all have.

    Every answer carries its request's id and trace, and says what browsers may do with it. Each is
    counted, timed and, where the access log wants it, logged once it has ended, however it ended.
    """

    def __init__(
        self,
        cross_origin: CrossOrigin,
        metrics: RequestMetrics,
        access_log: AccessLog,
        *,
        refused_after_s: float,
    ) -> None:
        """Who asks too much hears so after `refused_after_s`: a flood waits, not the others."""
        self._calls = Calls()
        self._cross_origin = cross_origin
        self._usual: Headers = (*_DATA, *cross_origin.headers(None))
        self._metrics = metrics
        self._access_log = access_log
        self._refused_after_s = refused_after_s

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Has `app` answer one request."""
        call = self._calls.begin(scope)
        headers = self._answer_headers(call, scope)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                if call.status == TOO_MANY_REQUESTS:
                    await asyncio.sleep(self._refused_after_s)
                message["headers"] = (*message["headers"], *call.limit_headers, *headers)
                if (traceparent := call.traceparent) is not None:
                    message["headers"] += ((b"traceparent", traceparent),)
            await send(message)

        try:
            if b"content-length" in call.headers or scope["method"] == "OPTIONS":
                app = self._answer_here(call, scope) or app
            await app(scope, receive, send_on)
        finally:
            if call.route is UNKNOWN_ROUTE:
                _end(call, scope)
            self._metrics.ended(call, scope["method"])
            self._access_log.ended(call, scope)

    def _answer_headers(self, call: Call, scope: Scope) -> Headers:
        origin = call.headers.get(b"origin")
        if origin is None and not scope["raw_path"].startswith(b"/docs"):
            return ((b"x-request-id", call.request_id), *self._usual)
        return (
            (b"x-request-id", call.request_id),
            *(_DOCS if scope["raw_path"].startswith(b"/docs") else _DATA),
            *self._cross_origin.headers(origin),
        )

    def _answer_here(self, call: Call, scope: Scope) -> ASGIApp | None:
        """The answer to what goes no further: preflights, and bodies that are too large."""
        headers = call.headers
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            return self._preflight(headers.get(b"origin", b""))
        length = headers.get(b"content-length")
        if length is not None and int(length) > MAX_BODY_BYTES:
            return problem_response(content_too_large(), trace_id=call.trace_id)
        return None

    def _preflight(self, origin: bytes) -> ASGIApp | None:
        allowed = self._cross_origin.preflight(origin)
        if allowed is None:
            return None
        response = Response(status_code=204)
        response.raw_headers = [*allowed]
        return response


def content_too_large() -> ProblemError:
    """The 413 for a body beyond the bound."""
    return ProblemError(CONTENT_TOO_LARGE, {"max_bytes": MAX_BODY_BYTES})


def _end(call: Call, scope: Scope) -> None:
    """Takes the template of a route that FastAPI has found."""
    if (route := scope.get("route")) is not None:
        call.route = route.path
