"""Since when a partition has been read to the end of the log without a break."""

from typing import Final

from milepost_projector.freshness import Freshness

MAX_GAP_MS: Final = 5_000
"""Without a newer answer for longer, something may have been said that was not heard in time."""


class Attention:
    """One owner's attention to one partition, all in milliseconds of a monotonic clock.

    It breaks whenever the read model is not known to have reached the end of the log: while it is
    behind, while Kafka or Redis is away, while the owner is frozen. A wall clock plays no part.
    """

    def __init__(self) -> None:
        self.since_ms: int | None = None
        """Everything that was acknowledged before was in the read model then; None if broken."""
        self.until_ms = 0
        """Everything that was acknowledged before is in the read model."""
        self._freshness = Freshness()

    def learn(self, asked_at_ms: int, end_offset: int) -> None:
        """Take in an answer about the end of the log, and when it was asked for."""
        self._freshness.learn(asked_at_ms, end_offset)

    def reach(self, next_offset: int, now_ms: int) -> bool:
        """Take in how far the read model is; whether the attention has gone on unbroken."""
        before, self.until_ms = self.until_ms, self._freshness.as_of_ms(next_offset)
        goes_on = self.since_ms is not None and self.until_ms - before <= MAX_GAP_MS
        if now_ms - self.until_ms > MAX_GAP_MS:
            self.since_ms = None
        elif not goes_on:
            # Not `until_ms`: what was said since then has been read, too, and is older than now.
            self.since_ms = now_ms
        return goes_on and self.since_ms is not None

    def lasts_ms(self, now_ms: int) -> int | None:
        """For how long it has lasted, None if it is broken."""
        if self.since_ms is None or now_ms - self.until_ms > MAX_GAP_MS:
            return None
        return max(0, self.until_ms - self.since_ms)
