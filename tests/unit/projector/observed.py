"""What the projector is observed with, as plain values: a group's decision, and a clock."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from milepost_projector.freshness import Freshness
from milepost_projector.gauges import Gauges
from milepost_projector.metrics import Metrics
from milepost_projector.progress import Progress, Standing
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint

WITHIN_S = 10.0
OPENED_AT_MS = 1_750_000_000_000


@dataclass(frozen=True)
class Assignment:
    """What the group has given a member."""

    opened: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    is_assigned: bool = True


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class PublishedUpTo:
    """A partition's part of the status topic."""

    published: int = 0


def a_progress(assignment: Assignment, clock: Clock) -> Progress:
    return Progress(assignment, within_s=WITHIN_S, clock_s=clock)


def a_standing(
    checkpoint: Checkpoint, *, end_offset: int = 0, published: PublishedUpTo | None = None
) -> Standing:
    """A partition that was opened at the checkpoint, of a log with this end."""
    freshness = Freshness(checkpoint.as_of_ms)
    freshness.learn(0, end_offset)
    return Standing(
        checkpoint.encode(),
        checkpoint.next_offset,
        freshness,
        published or PublishedUpTo(),
        OPENED_AT_MS,
    )


def written(checkpoint: Checkpoint, number: int = 0) -> Slice:
    """A slice that leaves this checkpoint behind."""
    return Slice(number, b"-", checkpoint.encode(), checkpoint.next_offset)


def some_metrics(registry: CollectorRegistry | None = None) -> Metrics:
    """Metrics of a projector that owns nothing."""
    progress = a_progress(Assignment(), Clock())
    return Metrics(registry or CollectorRegistry(), progress, lambda: OPENED_AT_MS)


def a_registry(
    progress: Progress, *, now_ms: int = OPENED_AT_MS, rebuilds: int = 0
) -> CollectorRegistry:
    """Everything that a projector with this progress has to tell."""
    registry = CollectorRegistry()
    Metrics(registry, progress, lambda: now_ms)
    registry.register(Gauges(progress, lambda: rebuilds, lambda: now_ms))
    return registry
