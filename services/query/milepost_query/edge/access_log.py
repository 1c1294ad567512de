"""A line for each request that has ended."""

from collections.abc import Collection
from time import perf_counter
from typing import Final, Literal

import structlog
from starlette.types import Scope

from milepost_query.edge.call import UNKNOWN_ROUTE, Call

Wanted = Literal["off", "few", "all"]
"""`few` leaves out what comes by the thousand: status reads and probes."""

MAX_PATH_LENGTH: Final = 512

_log = structlog.get_logger()


class AccessLog:
    """Tells what was asked and how that ended; never a header, a query string or a body."""

    def __init__(self, wanted: Wanted, *, frequent: Collection[str]) -> None:
        """`frequent` are the templates of the routes that `few` leaves out."""
        self._is_off = wanted == "off"
        self._left_out = frozenset(frequent) if wanted == "few" else frozenset()

    def ended(self, call: Call, scope: Scope) -> None:
        """The answer is out, or its client is gone (status 0 if nothing was sent by then)."""
        if self._is_off or call.route in self._left_out:
            return
        _log.info(
            "answered",
            method=scope["method"],
            route=call.route,
            # What is no route's path may hold anything, a misplaced secret as well.
            path=None
            if call.route == UNKNOWN_ROUTE
            else scope["raw_path"][:MAX_PATH_LENGTH].decode("latin-1"),
            status=call.status,
            duration_ms=round((perf_counter() - call.arrived_at) * 1000, 1),
            caller=call.caller,
            request_id=call.request_id.decode(),
            trace_id=call.trace_id.decode(),
        )
