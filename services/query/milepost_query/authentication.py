"""Who is asking: the credentials of a request, and what they prove."""

from collections.abc import Callable, Mapping
from typing import Final

from milepost_query.api_keys import ApiKeys
from milepost_query.credential import Credential
from milepost_query.problems import (
    API_KEY_EXPIRED,
    AUTHENTICATION_REQUIRED,
    CONTRADICTING_KEYS,
    INVALID_API_KEY,
    TOKEN_INVALID,
    ProblemError,
)

API_KEY_PREFIX: Final = b"ak_"


class Authentication:
    """Checks every credential that a request carries; a second one never widens the first."""

    def __init__(self, api_keys: ApiKeys, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._api_keys = api_keys
        self._clock = clock

    def caller(self, headers: Mapping[bytes, bytes]) -> Credential:
        """What the request's headers prove, by lower-case header name.

        Raises:
            ProblemError: 401, with the code that says what is wrong.
        """
        api_key = headers.get(b"x-api-key")
        authorization = headers.get(b"authorization")
        if authorization is None:
            if api_key is None:
                raise ProblemError(AUTHENTICATION_REQUIRED)
            return self._check_key(api_key)
        bearer = self._check_bearer(authorization)
        return bearer if api_key is None else _both(bearer, self._check_key(api_key))

    def _check_bearer(self, authorization: bytes) -> Credential:
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token.startswith(API_KEY_PREFIX):
            raise ProblemError(TOKEN_INVALID)
        return self._check_key(token)

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
