"""How fresh a partition may claim to be."""

from collections import deque
from typing import Final

MAX_QUESTIONS: Final = 256
SET_BACK_MS: Final = 1_000
"""A clock that is further behind the newest claim than this was ahead when that was made."""


class Freshness:
    """Remembers when the end of the log was asked for and what was answered.

    The read model is as of the newest question whose answer it has reached: at that time, nothing
    that it lacks had been acknowledged. A claim that the clock has since been set back from was not
    true, and is taken back.
    """

    def __init__(self, as_of_ms: int = 0) -> None:
        self.end_offset = 0
        """The newest answer."""
        self.has_news = False
        """Whether an answer has come in since the last claim."""
        self._as_of_ms = as_of_ms
        self._unreached: deque[tuple[int, int]] = deque()

    def learn(self, asked_at_ms: int, end_offset: int) -> None:
        """Take in an answer; `asked_at_ms` is the time before the question was sent."""
        self.end_offset = end_offset
        self.has_news = True
        if asked_at_ms < self._newest_ms() - SET_BACK_MS:
            self._as_of_ms = 0
            self._unreached.clear()
        if len(self._unreached) == MAX_QUESTIONS:
            self._unreached.pop()
        self._unreached.append((asked_at_ms, end_offset))

    def _newest_ms(self) -> int:
        return self._unreached[-1][0] if self._unreached else self._as_of_ms

    def as_of_ms(self, next_offset: int) -> int:
        """Milliseconds since 1970 of which a read model at this offset tells the whole truth."""
        self.has_news = False
        while self._unreached and self._unreached[0][1] <= next_offset:
            self._as_of_ms = max(self._as_of_ms, self._unreached.popleft()[0])
        return self._as_of_ms
