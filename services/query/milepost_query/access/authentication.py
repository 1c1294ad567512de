"""Who is asking: the credentials of a request, and what they prove."""

from collections.abc import Callable, Mapping
from typing import Final

from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.credential import Credential
from milepost_query.access.tokens import NoTokens, Tokens
from milepost_query.problems import (
    API_KEY_EXPIRED,
    AUTHENTICATION_REQUIRED,
    CONTRADICTING_KEYS,
    INVALID_API_KEY,
    TOKEN_INVALID,
    ProblemError,
)

API_KEY_PREFIX: Final = b"ak_"

MAX_REMEMBERED: Final = 4_096
"""Of what was checked, the newest; at most 8 KiB each, because longer tokens are refused."""

Sent = tuple[bytes | None, bytes | None]
"""What a request carries: X-API-Key and Authorization."""


class Authentication:
    """Checks every credential that a request carries; a second one never widens the first.

    What was found good is remembered until it expires, or until the API keys or the keys of tokens
    change: a signature costs more to check than everything else about a request.
    """

    def __init__(
        self,
        api_keys: ApiKeys,
        clock: Callable[[], float],
        tokens: Tokens | None = None,
        *,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        """`clock` gives seconds since 1970. Without `tokens` only API keys are accepted."""
        self._api_keys = api_keys
        self._tokens = tokens or NoTokens()
        self._clock = clock
        self._max_remembered = max_remembered
        self._remembered: dict[Sent, Credential] = {}
        self._versions = (self._api_keys.version, self._tokens.version)

    @property
    def remembered(self) -> int:
        """How many checked credentials are remembered."""
        return len(self._remembered)

    @property
    def is_ready(self) -> bool:
        """Whether every kind of credential that is accepted can be checked."""
        return self._tokens.is_ready

    def caller(self, headers: Mapping[bytes, bytes]) -> Credential:
        """What the request's headers prove, by lower-case header name.

        Raises:
            ProblemError: 401, with the code that says what is wrong; 503 if tokens cannot be
                checked.
        """
        sent = (headers.get(b"x-api-key"), headers.get(b"authorization"))
        if self._versions != (versions := (self._api_keys.version, self._tokens.version)):
            self._remembered.clear()
            self._versions = versions
        known = self._remembered.get(sent)
        if known is not None and known.expires_at > self._clock():
            return known
        return self._remember(sent, self._check(*sent))

    def seconds_left(self, credential: Credential) -> float:
        """Until it expires."""
        return credential.expires_at - self._clock()

    def _remember(self, sent: Sent, credential: Credential) -> Credential:
        if len(self._remembered) >= self._max_remembered:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[sent] = credential
        return credential

    def _check(self, api_key: bytes | None, authorization: bytes | None) -> Credential:
        if authorization is None:
            if api_key is None:
                raise ProblemError(AUTHENTICATION_REQUIRED)
            return self._check_key(api_key)
        bearer = self._check_bearer(authorization)
        return bearer if api_key is None else _both(bearer, self._check_key(api_key))

    def _check_bearer(self, authorization: bytes) -> Credential:
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer":
            raise ProblemError(TOKEN_INVALID)
        if token.startswith(API_KEY_PREFIX):
            return self._check_key(token)
        return self._tokens.check(token)

    def _check_key(self, key: bytes) -> Credential:
        credential = self._api_keys.find(key)
        if credential is None:
            raise ProblemError(INVALID_API_KEY)
        if credential.expires_at <= self._clock():
            raise ProblemError(API_KEY_EXPIRED)
        return credential


def _both(bearer: Credential, key: Credential) -> Credential:
    if bearer.organization_id != key.organization_id:
        raise ProblemError(CONTRADICTING_KEYS)
    return Credential(
        bearer.caller,
        bearer.organization_id,
        bearer.scopes & key.scopes,
        min(bearer.expires_at, key.expires_at),
    )
