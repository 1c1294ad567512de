"""A request on its way through the service, and what its answer will say beside the body."""

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from itertools import count
from time import perf_counter
from typing import Final

from starlette.types import Scope

from milepost_query.edge.request_ids import RequestIds

Headers = tuple[tuple[bytes, bytes], ...]

UNKNOWN_ROUTE: Final = "unknown"

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
)


class Call:
    """One request, from its arrival to the end of its answer."""

    __slots__ = (
        "_begin_trace",
        "_trace",
        "arrived_at",
        "caller",
        "headers",
        "limit_headers",
        "request_id",
        "route",
        "status",
    )

    def __init__(
        self,
        headers: Mapping[bytes, bytes],
        request_id: bytes,
        *,
        trace: "Trace | None",
        begin_trace: "Callable[[], Trace]",
    ) -> None:
        self.arrived_at = perf_counter()
        self.headers = headers
        """By lower-case name."""
        self.request_id = request_id
        self._trace = trace
        self._begin_trace = begin_trace
        self.route = UNKNOWN_ROUTE
        """Its template: the paths of one route are one to metrics and logs."""
        self.caller: str | None = None
        """Whoever asks, once that is known."""
        self.limit_headers: Headers = ()
        self.status = 0
        """0 as long as nothing has been answered."""

    @property
    def traceparent(self) -> bytes | None:
        """What the answer says of the trace; None if there is none."""
        return None if self._trace is None else self._trace[1]

    @property
    def trace_id(self) -> bytes:
        """The trace that the request is of, which begins here if it came without."""
        if self._trace is None:
            self._trace = self._begin_trace()
        return self._trace[0]


Trace = tuple[bytes, bytes]
"""The id of a trace, and the `traceparent` that says so to the client."""


class Calls:
    """Gives each request its ids, which its answer, its errors and its log line all carry.

    Ids count on from a random start, which is cheaper than randomness for each.
    """

    def __init__(self) -> None:
        self._request_ids = RequestIds()
        self._prefix = secrets.token_hex(8).encode()
        self._numbers = count(1)

    def begin(self, scope: Scope) -> Call:
        """The request that has just arrived, which is from now on the current one."""
        headers = dict(scope["headers"])
        request_id = self._request_ids.of(headers.get(b"x-request-id"))
        sent = headers.get(b"traceparent")
        trace = None if sent is None else self._trace(sent)
        call = Call(headers, request_id, trace=trace, begin_trace=self._begin_trace)
        _current.set(call)
        return call

    def _begin_trace(self) -> Trace:
        span_id = b"%016x" % next(self._numbers)
        trace_id = self._prefix + span_id
        return trace_id, b"00-%b-%b-00" % (trace_id, span_id)

    def _trace(self, sent: bytes) -> Trace | None:
        """Goes on with the trace that a W3C `traceparent` names, in a span of its own."""
        match = _TRACEPARENT.fullmatch(sent)
        if match is None:
            return None
        trace_id, flags = match.groups()
        return trace_id, b"00-%b-%016x-%b" % (trace_id, next(self._numbers), flags)


_current: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """The request that the running task answers."""
    return _current.get()
