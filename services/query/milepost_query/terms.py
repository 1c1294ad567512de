"""On which terms requests are answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from milepost_query.access.places import Places
from milepost_query.access.rate_limits import BudgetName
from milepost_query.edge.access_log import Wanted
from milepost_query.file_config import Limits


class Bound(NamedTuple):
    """How many requests of a kind one process holds open."""

    in_all: int
    per_caller: int


HELD_OPEN: Final = Bound(in_all=10_000, per_caller=1_000)
RATES_PER_S: Final[Mapping[BudgetName, float]] = {"status": 500, "requests": 50}


@dataclass(frozen=True)
class Terms:
    """What whoever runs the service decides about those who ask it."""

    file_limits: Limits = field(default_factory=Limits)
    """What they are told of files that are too large."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask; `*` alone for every one."""
    access_log: Wanted = "few"
    """Which requests get a line in the log."""
    rates_per_s: Mapping[BudgetName, float] = field(default_factory=lambda: RATES_PER_S)
    """What each caller may ask; 0 for without limit."""
    refused_after_s: float = 0.1
    """How long the answer is held back that a caller asks too much."""
    max_waits: Bound = HELD_OPEN
    max_streams: Bound = HELD_OPEN

    def places(self, kind: Literal["waits", "streams"]) -> Places:
        """As many as there are."""
        bound = self.max_waits if kind == "waits" else self.max_streams
        return Places(kind, in_all=bound.in_all, per_caller=bound.per_caller)


DEFAULT_TERMS: Final = Terms()
