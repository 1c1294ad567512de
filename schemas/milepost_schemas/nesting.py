"""How deep arrays and objects of a JSON text lie in each other.

A parser's own limit depends on the Python release and on how deep its caller is, so two readers of
one log could disagree about a record.
"""

import re

MAX_NESTING = 256
"""Deepest nesting of an event's value, unknown fields included."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def is_too_deep(text: bytes) -> bool:
    """Whether the nesting exceeds the limit; for malformed JSON it may answer either."""
    if text.count(b"[") + text.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for byte in _STRING.sub(b"", text):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > MAX_NESTING:
            return True
    return False
