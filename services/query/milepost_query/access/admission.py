"""Who may ask for what: the caller's credentials against the organization of the path."""

from collections.abc import Mapping

from milepost_query.access.authentication import Authentication
from milepost_query.access.credential import Credential
from milepost_query.access.keys_file import READ_SCOPE
from milepost_query.access.rate_limits import BudgetName, RateLimits
from milepost_query.edge.call import current_call
from milepost_query.edge.request_metrics import RequestMetrics
from milepost_query.problems import (
    INSUFFICIENT_PERMISSIONS,
    ORGANIZATION_ACCESS_DENIED,
    ProblemError,
)


class Admission:
    """Lets a request in, or says why not. Every route asks it before it reads anything."""

    def __init__(self, authentication: Authentication, limits: RateLimits) -> None:
        self._authentication = authentication
        self._limits = limits

    @property
    def is_ready(self) -> bool:
        """Whether every kind of credential that is accepted can be checked."""
        return self._authentication.is_ready

    def measure(self, metrics: RequestMetrics) -> None:
        """Has the metrics tell of it."""
        metrics.add_gauge(
            "milepost_remembered_credentials",
            "Checked credentials that are remembered",
            lambda: self._authentication.remembered,
        )
        self._limits.measure(metrics)

    def admit(
        self,
        headers: Mapping[bytes, bytes],
        organization_id: str,
        *,
        budget: BudgetName = "requests",
    ) -> Credential:
        """The caller, who may read what the organization has; `headers` by lower-case name.

        Raises:
            ProblemError: 401, 403 or 429, the same whether the organization exists or not.
        """
        caller = self.identify(headers, budget=budget)
        _require_access(caller, organization_id)
        return caller

    def seconds_left(self, headers: Mapping[bytes, bytes], organization_id: str) -> float:
        """How long a request that was admitted may go on; looking costs its caller nothing."""
        try:
            caller = self._authentication.caller(headers)
            _require_access(caller, organization_id)
        except ProblemError:
            return 0.0
        return self._authentication.seconds_left(caller)

    def identify(
        self, headers: Mapping[bytes, bytes], *, budget: BudgetName = "requests"
    ) -> Credential:
        """The caller, whoever it is: for what is no organization's.

        Raises:
            ProblemError: 401 or 429.
        """
        caller = self._authentication.caller(headers)
        call = current_call()
        call.caller = caller.caller
        self._limits.charge(call, budget)
        return caller

    def charge(self, cost: int, *, budget: BudgetName) -> None:
        """Takes what the current request costs beyond its admission.

        Raises:
            ProblemError: 429.
        """
        self._limits.charge(current_call(), budget, cost)


def _require_access(caller: Credential, organization_id: str) -> None:
    if caller.organization_id != organization_id:
        raise ProblemError(ORGANIZATION_ACCESS_DENIED)
    if READ_SCOPE not in caller.scopes:
        raise ProblemError(INSUFFICIENT_PERMISSIONS, {"required_scope": READ_SCOPE})
