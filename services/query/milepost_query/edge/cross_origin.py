"""What pages of other origins may ask: CORS, as the Fetch standard has it."""

from typing import Final

from milepost_query.edge.call import Headers

ANY_ORIGIN: Final = "*"

MAX_AGE_S: Final = 600
"""How long a browser may keep the answer to a preflight."""

_METHODS: Final = ("GET", "HEAD", "POST")

_REQUEST_HEADERS: Final = (
    "Authorization",
    "X-API-Key",
    "Prefer",
    "If-None-Match",
    "Last-Event-ID",
    "Milepost-Position",
    "Content-Type",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)

_ANSWER_HEADERS: Final = (
    "ETag",
    "Retry-After",
    "Milepost-As-Of",
    "Milepost-Attempt",
    "Milepost-Lag",
    "Milepost-Position",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "traceparent",
)

_VARY: Final = (b"vary", b"Origin")


class CrossOrigin:
    """Lets the pages of some origins read answers. Credentials are headers, never cookies."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """`origins` as browsers send them, or `*` alone for all; none for none."""
        self._answers = {origin.encode(): self._allowed(origin.encode()) for origin in origins}
        self._any = self._answers.get(ANY_ORIGIN.encode())
        # A cache must not give one origin what another was answered.
        self._others: Headers = (_VARY,) if self._answers else ()

    def headers(self, origin: bytes | None) -> Headers:
        """What an answer says to a page of that origin."""
        if origin is None:
            return self._others if self._any is None else ()
        return self._any or self._answers.get(origin, self._others)

    def preflight(self, origin: bytes) -> Headers | None:
        """What a browser is told beside that before it sends the request; None if it may not."""
        if self._any is None and origin not in self._answers:
            return None
        return (
            (b"access-control-allow-methods", ", ".join(_METHODS).encode()),
            (b"access-control-allow-headers", ", ".join(_REQUEST_HEADERS).encode()),
            (b"access-control-max-age", b"%d" % MAX_AGE_S),
        )

    def _allowed(self, origin: bytes) -> Headers:
        vary = () if origin == ANY_ORIGIN.encode() else (_VARY,)
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", ", ".join(_ANSWER_HEADERS).encode()),
            *vary,
        )
