"""Who may ask for what: the caller's credentials against the organization of the path."""

from collections.abc import Mapping

from milepost_query.authentication import Authentication
from milepost_query.call import current_call
from milepost_query.credential import Credential
from milepost_query.keys_file import READ_SCOPE
from milepost_query.problems import (
    INSUFFICIENT_PERMISSIONS,
    ORGANIZATION_ACCESS_DENIED,
    ProblemError,
)


class Admission:
    """Lets a request in, or says why not. Every route asks it before it reads anything."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    @property
    def is_ready(self) -> bool:
        """Whether every kind of credential that is accepted can be checked."""
        return self._authentication.is_ready

    def admit(self, headers: Mapping[bytes, bytes], organization_id: str) -> Credential:
        """The caller, who may read what the organization has; `headers` by lower-case name.

        Raises:
            ProblemError: 401 or 403, the same whether the organization exists or not.
        """
        caller = self.identify(headers)
        if caller.organization_id != organization_id:
            raise ProblemError(ORGANIZATION_ACCESS_DENIED)
        if READ_SCOPE not in caller.scopes:
            raise ProblemError(INSUFFICIENT_PERMISSIONS, {"required_scope": READ_SCOPE})
        return caller

    def identify(self, headers: Mapping[bytes, bytes]) -> Credential:
        """The caller, whoever it is: for what is no organization's.

        Raises:
            ProblemError: 401.
        """
        caller = self._authentication.caller(headers)
        current_call().caller = caller.caller
        return caller
