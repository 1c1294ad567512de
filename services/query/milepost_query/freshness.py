"""How far a partition of the read model is, and whether its readers may be answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from milepost_primaries.scattered_reads import UNREACHABLE
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.times import format_ms

Obstacle = Literal["missing", "unreachable", "unreadable", "recovering", "behind"]
"""Why a partition is not answered from: no checkpoint, its part of Redis is away, none that can be
read, Redis lost its tail as the projector says, or as this process can tell from what it has seen
before."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What one value of a checkpoint says to a reader."""

    obstacle: Obstacle | None
    as_of_ms: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """`Milepost-As-Of` and `Milepost-Lag`, ready to be sent."""
    lag: int = 0
    next_offset: int = 0


class Highest:
    """The highest checkpoint of a partition that readers were shown, in whichever generation."""

    def __init__(self) -> None:
        self.next_offset = 0


class Partition:
    """The checkpoint of one partition in one generation, and the highest one seen so far.

    A Redis that failed over or was restored may hold an older state than readers were shown. Below
    the highest checkpoint it is not believed, so no file is ever seen to go back.
    """

    def __init__(self, checkpoint_key: str, highest: Highest) -> None:
        self.checkpoint_key = checkpoint_key
        self._value: bytes | None = None
        self._freshness = Freshness("missing")
        self._highest = highest

    def observe(self, value: bytes | None) -> Freshness:
        """Takes in the checkpoint that was just read; parsed only when it has changed."""
        if value != self._value:
            self._value = value
            self._freshness = self._judge(value)
        return self._freshness

    def _judge(self, value: bytes | None) -> Freshness:
        if value is None:
            return Freshness("missing")
        if value == UNREACHABLE:
            return Freshness("unreachable")
        try:
            checkpoint = Checkpoint.decode(value)
        except ValueError:
            return Freshness("unreadable")
        if checkpoint.is_recovering:
            return Freshness("recovering")
        if checkpoint.next_offset < self._highest.next_offset:
            return Freshness("behind")
        self._highest.next_offset = checkpoint.next_offset
        return _fresh(checkpoint.as_of_ms, checkpoint.lag, checkpoint.next_offset)


def combined(all_of_them: Sequence[Freshness]) -> Freshness:
    """The freshness of an answer from several partitions, all of which are answered from."""
    as_of_ms = min(each.as_of_ms for each in all_of_them)
    return _fresh(as_of_ms, sum(each.lag for each in all_of_them))


@lru_cache(maxsize=1_024)
def _fresh(as_of_ms: int, lag: int, next_offset: int = 0) -> Freshness:
    as_of = format_ms(as_of_ms).encode()
    headers = ((b"milepost-as-of", as_of), (b"milepost-lag", b"%d" % lag))
    return Freshness(None, as_of_ms, headers, lag, next_offset)
