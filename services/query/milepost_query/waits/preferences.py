"""What a request prefers (RFC 7240)."""

from collections.abc import Iterable
from typing import Final

LONGEST_WAIT_S: Final = 30


def preferred_wait_s(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """How long the client would wait for an answer, at most `LONGEST_WAIT_S`.

    None if it did not say so, or not in whole seconds. What is said first counts; other
    preferences are ignored, as the RFC asks for.
    """
    fields = b",".join(value for name, value in headers if name == b"prefer")
    for preference in fields.split(b","):
        token, _, value = preference.partition(b";")[0].partition(b"=")
        if token.strip().lower() == b"wait":
            return _seconds(value.strip())
    return None


def _seconds(value: bytes) -> int | None:
    if len(value) > 2 and value[:1] == value[-1:] == b'"':
        value = value[1:-1]
    if not value.isdigit():
        return None
    # Longer numbers than these are not worth reading.
    return min(int(value[:9]), LONGEST_WAIT_S)
