"""The id of each request: the client's own if it is fit to be echoed, else a new one."""

import re
import secrets
from itertools import count
from typing import Final

_FIT: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")


class RequestIds:
    """Counts requests behind a random start, which is cheaper than randomness for each."""

    def __init__(self) -> None:
        self._prefix = f"req_{secrets.token_hex(8)}_".encode()
        self._numbers = count(1)

    def of(self, sent: bytes | None) -> bytes:
        """The id to answer with; `sent` is the request's own `x-request-id`."""
        if sent is not None and _FIT.fullmatch(sent):
            return sent
        return b"%b%d" % (self._prefix, next(self._numbers))
