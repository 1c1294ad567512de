"""How fresh a partition may claim to be."""

from collections import deque
from typing import Final

MAX_QUESTIONS: Final = 256


class Freshness:
    """Remembers when the end of the log was asked for and what was answered.

    The read model is as of the newest question whose answer it has reached: at that time, nothing
    that it lacks had been acknowledged.
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
        if len(self._unreached) == MAX_QUESTIONS:
            self._unreached.pop()
        self._unreached.append((asked_at_ms, end_offset))

    def as_of_ms(self, next_offset: int) -> int:
        """Milliseconds since 1970 of which a read model at this offset tells the whole truth."""
        self.has_news = False
        while self._unreached and self._unreached[0][1] <= next_offset:
            self._as_of_ms = max(self._as_of_ms, self._unreached.popleft()[0])
        return self._as_of_ms
