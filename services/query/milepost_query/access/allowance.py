"""What one caller may still ask, as far as this process knows."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Final, NamedTuple

WINDOW_S: Final = 10
"""A quota is what a bucket holds: what is refilled within this time."""

LEASES_PER_QUOTA: Final = 50
"""How finely a quota is shared out between processes."""

ASK_AGAIN_AFTER_S: Final = 0.05
"""How long an empty bucket is not asked again."""


@dataclass(frozen=True)
class Budget:
    """A kind of requests, and how many of them each caller may make."""

    name: str
    rate_per_s: float

    @cached_property
    def quota(self) -> float:
        """What can be asked at once by who has not asked for a while."""
        return self.rate_per_s * WINDOW_S

    @cached_property
    def lease(self) -> float:
        """What a process takes from the shared bucket at a time."""
        return max(1.0, self.quota / LEASES_PER_QUOTA)


class Lease(NamedTuple):
    """What the shared bucket has given, and what it held after that: below 0 if overdrawn."""

    granted: float
    level: float


class Allowance:
    """Tokens of the bucket that all processes share, taken from it in leases.

    Nobody waits for a lease: while one is on its way, a process spends what the bucket is expected
    to hold, and the next lease pays that back. So for a moment several processes may together allow
    more than there is; over time they do not.
    """

    __slots__ = (
        "_ask_again_at",
        "_at",
        "_is_waiting",
        "_level",
        "_paid",
        "_spent",
        "budget",
        "left",
    )

    def __init__(self, budget: Budget, now: float) -> None:
        self.budget = budget
        self.left = 0.0
        """Leased and not spent yet."""
        self._level = budget.quota
        """What the shared bucket was expected to hold at `_at`, but for what was spent ahead."""
        self._at = now
        self._spent = 0.0
        """What was spent ahead of leases, and of that what the lease on its way pays."""
        self._paid = 0.0
        self._is_waiting = False
        self._ask_again_at = now

    def take(self, cost: float, now: float) -> bool:
        """Spends tokens if there are as many, and says whether there were."""
        if cost <= self.left:
            self.left -= cost
            return True
        level = self._refill(now)
        ahead = cost - self.left
        if ahead > level:
            return False
        self.left = 0.0
        self._level = level - ahead
        self._spent += ahead
        return True

    def remaining(self, now: float) -> float:
        """What can be expected to be left."""
        left = self.left + self._expected(now)
        # Asked with every request: comparisons cost a third of what min and max do.
        if left < 0.0:
            return 0.0
        if left > self.budget.quota:
            return self.budget.quota
        return left

    def retry_after_s(self, cost: float, now: float) -> int:
        """When that many tokens can be expected to be there."""
        missing = cost - self.left - self._expected(now)
        return max(1, ceil(missing / self.budget.rate_per_s))

    def begin_lease(self, now: float) -> bool:
        """Whether it is time to take the next lease; whoever is told so has to settle one."""
        runs_low = self.left < self.budget.lease / 2
        if not runs_low or self._is_waiting or now < self._ask_again_at:
            return False
        self._is_waiting = True
        return True

    def pay(self) -> float:
        """What is to be paid back with the lease that is now taken."""
        self._paid = self._spent
        return self._paid

    def settle(self, lease: Lease, now: float) -> None:
        """The lease has come, and what was spent ahead of it is paid."""
        self._spent -= self._paid
        self._paid, self._is_waiting = 0.0, False
        self.left += lease.granted
        self._level, self._at = lease.level - self._spent, now
        if lease.granted < 1:
            self._ask_again_at = now + ASK_AGAIN_AFTER_S

    def settle_alone(self, now: float) -> None:
        """The shared bucket is away: takes the lease from what it was expected to hold."""
        self._spent = self._paid = 0.0
        level = self._refill(now)
        granted = max(0.0, min(self.budget.lease, level))
        self.settle(Lease(granted, level - granted), now)

    def _refill(self, now: float) -> float:
        self._level, self._at = self._expected(now), now
        return self._level

    def _expected(self, now: float) -> float:
        """What the shared bucket holds if nobody else takes from it."""
        budget, passed_s = self.budget, now - self._at
        if passed_s <= 0.0:
            return self._level
        level = self._level + passed_s * budget.rate_per_s
        if level > budget.quota:
            return budget.quota
        return level
