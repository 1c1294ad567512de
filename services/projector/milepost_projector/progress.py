"""How the projection gets on, partition by partition, and whether that is good enough."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from milepost_projector.freshness import Freshness
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint

RECENT_S: Final = 30.0
"""How long a trouble explains why a partition has not come to its first progress."""
WAITS_FOR_THE_GROUP: Final = "the group has not said which partitions are this member's"


class Assigned(Protocol):
    """What the group has given this member."""

    @property
    def is_assigned(self) -> bool: ...
    @property
    def opened(self) -> Collection[int]: ...
    @property
    def pending(self) -> Collection[int]: ...


class Published(Protocol):
    """A partition's part of the status topic."""

    @property
    def published(self) -> int: ...


@dataclass
class Standing:
    """Where the projection of a partition stands, as far as Redis has acknowledged it."""

    stored: bytes
    next_offset: int
    freshness: Freshness
    publication: Published
    opened_at_ms: int
    progressed_s: float | None = None
    """When it last came further, or was found to be at the end of the log; monotonic."""

    @property
    def lag(self) -> int:
        """Records behind the end of the log, which is known even while Redis is away."""
        return max(0, self.freshness.end_offset - self.next_offset)

    @property
    def unpublished(self) -> int:
        """Records that are applied, but not known to the status topic."""
        return max(0, self.next_offset - self.publication.published)

    @property
    def is_recovering(self) -> bool:
        return Checkpoint.decode(self.stored).is_recovering

    def as_of_ms(self) -> int:
        """A partition that never was at the end of the log counts from its opening."""
        return Checkpoint.decode(self.stored).as_of_ms or self.opened_at_ms

    def settle(self, written: Slice, now_s: float) -> None:
        """Take in that Redis has acknowledged the slice."""
        has_moved = written.next_offset > self.next_offset
        self.stored, self.next_offset = written.checkpoint, written.next_offset
        if has_moved or not self.lag:
            self.progressed_s = now_s


class Progress:
    """What is known of the partitions of this member; it looks at nothing by itself.

    A partition is ready while it makes progress: its checkpoint moves, or is written again at the
    end of the log. That takes Kafka, which says where the end is, and Redis, which takes the
    checkpoint, and it takes a consumer that delivers.

    Args:
        assigned: Whose partitions are asked about.
        within_s: Seconds without progress after which a partition is not ready.
        clock_s: A clock that is never set.
    """

    def __init__(
        self,
        assigned: Assigned,
        *,
        within_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: dict[int, str] = {}
        """Partitions that stay closed until a person decides, and why."""
        self._assigned = assigned
        self._within_s = within_s
        self._clock_s = clock_s
        self._standings: dict[int, Standing] = {}
        self._trouble: tuple[str, float] = "", 0.0

    def opened(self, number: int, standing: Standing) -> None:
        """A partition was taken over; it has yet to make progress."""
        self.refused.pop(number, None)
        self._standings[number] = standing

    def settled(self, number: int, written: Slice) -> None:
        """Redis has acknowledged a slice."""
        if number in self._standings:
            self._standings[number].settle(written, self._clock_s())

    def troubled(self, reason: str) -> None:
        """Something did not work that will be tried again."""
        self._trouble = reason, self._clock_s()

    @property
    def standings(self) -> dict[int, Standing]:
        """Of the partitions that are open now."""
        opened = self._assigned.opened
        return {number: one for number, one in self._standings.items() if number in opened}

    @property
    def owned(self) -> list[int]:
        """The partitions of this member, open or not."""
        return sorted({*self._assigned.opened, *self._assigned.pending})

    def obstacle(self) -> str | None:
        """What keeps this member from knowing its partitions."""
        return None if self._assigned.is_assigned else self._because(WAITS_FOR_THE_GROUP)

    def obstacles(self) -> dict[int, str]:
        """The partitions that are not ready, and what is wrong with each."""
        found = ((number, self._obstacle(number)) for number in self.owned)
        return {number: obstacle for number, obstacle in found if obstacle}

    def _obstacle(self, number: int) -> str | None:
        if number in self._assigned.pending and number in self.refused:
            return f"wrong log: {self.refused[number]}"
        standing = self.standings.get(number)
        if standing is None:
            return self._because("it is not opened yet")
        if standing.progressed_s is None:
            return self._because("it has made no progress since it was opened")
        idle_s = self._clock_s() - standing.progressed_s
        if idle_s <= self._within_s:
            return None
        return self._because(f"no progress for {idle_s:.0f} s", since_s=standing.progressed_s)

    def _because(self, fact: str, *, since_s: float | None = None) -> str:
        """The fact, and the trouble that has come up since then, or of late."""
        reason, at_s = self._trouble
        since_s = self._clock_s() - RECENT_S if since_s is None else since_s
        return f"{fact}: {reason}" if reason and at_s >= since_s else fact
