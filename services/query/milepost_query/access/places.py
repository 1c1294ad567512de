"""How many requests may be held open at a time, in all and for each caller."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from milepost_query.access.credential import Credential
from milepost_query.problems import RATE_LIMIT_EXCEEDED, RETRY_AFTER_S, ProblemError

IN_ALL: Final = "in_all"
CALLER_FULL: Final = "per_caller"


class Places:
    """Places of one kind, waits or streams, in this process. A caller without any costs nothing."""

    def __init__(self, kind: str, *, in_all: int, per_caller: int) -> None:
        """`kind` is what callers are told that there are too many of."""
        self.kind = kind
        self.taken = 0
        self._in_all = in_all
        self._per_caller = per_caller
        self._callers: dict[str, int] = {}

    @contextmanager
    def taken_by(self, caller: Credential) -> Iterator[None]:
        """Holds a place for as long as the block runs, however it ends.

        Raises:
            ProblemError: 429, before the block is entered, because no place is free.
        """
        self._require_free(caller)
        name = caller.caller
        self.taken += 1
        self._callers[name] = self._callers.get(name, 0) + 1
        try:
            yield
        finally:
            self.taken -= 1
            self._callers[name] -= 1
            if not self._callers[name]:
                del self._callers[name]

    def held_by(self, caller: Credential, answer: ASGIApp) -> ASGIApp:
        """The same answer, which holds a place as long as it goes out.

        Raises:
            ProblemError: 429, because no place is free.
        """
        self._require_free(caller)

        async def hold(scope: Scope, receive: Receive, send: Send) -> None:
            with self.taken_by(caller):
                await answer(scope, receive, send)

        return hold

    def _require_free(self, caller: Credential) -> None:
        if self.taken >= self._in_all:
            raise self._refusal(IN_ALL, self._in_all)
        if self._callers.get(caller.caller, 0) >= self._per_caller:
            raise self._refusal(CALLER_FULL, self._per_caller)

    def _refusal(self, bound: str, limit: int) -> ProblemError:
        details = {"retry_after": RETRY_AFTER_S, "limited": self.kind, "bound": bound}
        return ProblemError(RATE_LIMIT_EXCEEDED, {**details, "limit": limit})
