"""How much each caller may ask, and what its answers say about that."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

from milepost_query.access.allowance import WINDOW_S, Allowance, Budget
from milepost_query.edge.call import Call, Headers
from milepost_query.edge.request_metrics import RequestMetrics
from milepost_query.problems import RATE_LIMIT_EXCEEDED, ProblemError

BudgetName = Literal["status", "requests"]
"""Reads of statuses, one or many; and everything else."""

MAX_CALLERS: Final = 10_000
"""Of one budget. Whoever comes back after being forgotten begins with a full quota."""

STEPS_PER_QUOTA: Final = 5_000
"""How exactly callers are told what remains: headers are made anew only when they change."""


IDS_PER_TOKEN: Final = 20
"""Of a read of many: what it spares is shared with the caller."""


def cost_of(ids: int) -> int:
    """What a read of so many statuses costs, where that of one costs 1."""
    return 1 + ids // IDS_PER_TOKEN


class LeaseSource(Protocol):
    """Whoever takes leases."""

    taken: dict[str, int]
    """How many leases came from where."""

    def want(self, allowance: Allowance, caller: str) -> None:
        """Takes a lease for the caller's allowance as soon as possible."""


class _Callers:
    """The allowances of one budget, and the headers that tell of them."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._allowances: dict[str, Allowance] = {}
        quota = int(budget.quota)
        self._step = max(1, quota // STEPS_PER_QUOTA)
        self._policy = (b"ratelimit-policy", f'"{budget.name}";q={quota};w={WINDOW_S}'.encode())
        self._told: tuple[int, int] = (-1, 0)
        self._headers: Headers = ()

    def allowance(self, caller: str, now: float) -> Allowance:
        allowance = self._allowances.get(caller)
        if allowance is None:
            if len(self._allowances) >= MAX_CALLERS:
                del self._allowances[next(iter(self._allowances))]
            allowance = self._allowances[caller] = Allowance(self.budget, now)
        return allowance

    def headers(self, allowance: Allowance, now: float) -> Headers:
        """What every answer tells, by the draft of RateLimit fields: what remains."""
        remaining = int(allowance.remaining(now)) // self._step * self._step
        told = (remaining, int(now))
        if told != self._told:
            text = f'"{self.budget.name}";r={remaining};t={self._full_in_s(remaining)}'
            self._told, self._headers = told, ((b"ratelimit", text.encode()),)
        return self._headers

    def headers_of_refusal(self, allowance: Allowance, now: float) -> Headers:
        """The same and the policy, and both under the names that were usual before the draft."""
        remaining = int(allowance.remaining(now))
        return (
            *self.headers(allowance, now),
            self._policy,
            (b"x-ratelimit-limit", b"%d" % int(self.budget.quota)),
            (b"x-ratelimit-remaining", b"%d" % remaining),
            (b"x-ratelimit-reset", b"%d" % (int(now) + self._full_in_s(remaining))),
        )

    def _full_in_s(self, remaining: int) -> int:
        return int((self.budget.quota - remaining) / self.budget.rate_per_s) + 1


class RateLimits:
    """Charges requests to the budgets of those who make them. Budgets of rate 0 have no limit."""

    def __init__(
        self,
        budgets: Mapping[BudgetName, float],
        lease_source: LeaseSource,
        clock: Callable[[], float],
    ) -> None:
        """`budgets` are rates per second and caller; `clock` gives seconds since 1970."""
        self._budgets = {
            name: _Callers(Budget(name, rate)) for name, rate in budgets.items() if rate
        }
        self._refused = dict.fromkeys(map(str, self._budgets), 0)
        self._lease_source = lease_source
        self._clock = clock

    def measure(self, metrics: RequestMetrics) -> None:
        """Has the metrics tell of refusals and leases."""
        metrics.add_counts(
            "milepost_refused_requests",
            "Requests beyond their caller's rate",
            "budget",
            self._refused,
        )
        metrics.add_counts(
            "milepost_rate_leases",
            "Leases for callers: from the buckets in Redis, or alone when it was away",
            "source",
            self._lease_source.taken,
        )

    def charge(self, call: Call, budget: BudgetName, cost: int = 1) -> None:
        """Takes what the call costs from its caller's budget, and has its answer tell what remains.

        Raises:
            ProblemError: 429; nothing was taken.
        """
        callers, caller = self._budgets.get(budget), call.caller
        if callers is None or caller is None:
            return
        now = self._clock()
        allowance = callers.allowance(caller, now)
        # Who could never have as many tokens at once may have them all.
        due = min(cost, callers.budget.quota)
        is_allowed = allowance.take(due, now)
        if allowance.begin_lease(now):
            self._lease_source.want(allowance, caller)
        call.limit_headers = callers.headers(allowance, now)
        if not is_allowed:
            call.limit_headers = callers.headers_of_refusal(allowance, now)
            self._refused[budget] += 1
            raise _refusal(callers.budget, allowance.retry_after_s(due, now))


def _refusal(budget: Budget, retry_after_s: int) -> ProblemError:
    details = {"retry_after": retry_after_s, "limited": budget.name, "limit": int(budget.quota)}
    return ProblemError(RATE_LIMIT_EXCEEDED, {**details, "window_s": WINDOW_S})
