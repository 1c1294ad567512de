"""Which faults come in which order: all that chance decides before a campaign begins."""

from collections.abc import Iterator, Sequence
from random import Random

from tests.faults.campaign.faults import Fault

TOGETHER = 0.15
"""How often a fault comes before the one before it has been recovered from."""

Plan = list[tuple[Fault, ...]]


def make_plan(faults: int, seed: int, kinds: Sequence[Fault]) -> Plan:
    """Groups of faults, `faults` in all. No kind comes again before every other one has come."""
    lot = Random(seed)  # noqa: S311  the same faults again for the same seed
    deck = _deck(kinds, lot)
    plan: Plan = []
    left = faults
    while left:
        size = 2 if left > 1 and lot.random() < TOGETHER else 1
        plan.append(tuple(next(deck) for _ in range(size)))
        left -= size
    return plan


def _deck(kinds: Sequence[Fault], lot: Random) -> Iterator[Fault]:
    while True:
        yield from lot.sample(kinds, len(kinds))
