"""JSON Web Tokens as credentials: what one has to be to prove anything."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt

from milepost_query.access.credential import Credential
from milepost_query.access.token_keys import TokenKeys
from milepost_query.problems import (
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKENS_NOT_CHECKED,
    ProblemError,
)
from milepost_schemas.identity import is_identifier

MAX_TOKEN_BYTES: Final = 8_192
"""Tokens are remembered: their size bounds what they take."""

LEEWAY_S: Final = 5.0
"""What the clocks of issuer and service may differ by."""

Claims = dict[str, Any]


@dataclass(frozen=True)
class TokenRules:
    """What a token must say of itself."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    organization_claim: str


class Tokens(Protocol):
    """Whoever can tell what a token proves."""

    @property
    def version(self) -> int:
        """Another one once tokens have to be checked again."""

    @property
    def is_ready(self) -> bool:
        """Whether tokens can be checked."""

    async def watch(self) -> None:
        """Keeps up with whatever tokens are checked against, until cancelled."""

    def check(self, token: bytes) -> Credential:
        """What the token proves. Raises ProblemError if nothing."""


class NoTokens:
    """Accepts none: nothing is said about whose tokens to accept."""

    version = 0
    is_ready = True

    async def watch(self) -> None:
        pass

    def check(self, token: bytes) -> Credential:  # noqa: ARG002  whatever it is
        raise ProblemError(TOKEN_INVALID)


class SignedTokens:
    """Accepts tokens that a key of the key set has signed and that keep the rules."""

    def __init__(self, keys: TokenKeys, rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules

    @property
    def version(self) -> int:
        return self._keys.version

    @property
    def is_ready(self) -> bool:
        return self._keys.is_known

    async def watch(self) -> None:
        await self._keys.watch()

    def check(self, token: bytes) -> Credential:
        if len(token) > MAX_TOKEN_BYTES:
            raise ProblemError(TOKEN_INVALID)
        if not self._keys.is_known:
            raise ProblemError(TOKENS_NOT_CHECKED)
        try:
            claims = self._verified(token)
        except jwt.ExpiredSignatureError as error:
            raise ProblemError(TOKEN_EXPIRED) from error
        except jwt.PyJWTError as error:
            raise ProblemError(TOKEN_INVALID) from error
        return self._credential(claims)

    def _verified(self, token: bytes) -> Claims:
        header = jwt.get_unverified_header(token)
        key = self._keys.find(header.get("kid"), header.get("alg"))
        if key is None:
            raise jwt.InvalidKeyError
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=self._rules.algorithms,
            issuer=self._rules.issuer,
            audience=self._rules.audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )
        return claims

    def _credential(self, claims: Claims) -> Credential:
        organization_id = claims.get(self._rules.organization_claim)
        if not isinstance(organization_id, str) or not is_identifier(organization_id):
            raise ProblemError(TOKEN_INVALID)
        subject = claims.get("sub", "")
        return Credential(
            f"token:{organization_id}/{subject}",
            organization_id,
            _scopes(claims),
            float(claims["exp"]) + LEEWAY_S,
        )


def _scopes(claims: Claims) -> frozenset[str]:
    """`scope` is a text with spaces (RFC 9068); `scp`, which others write, also a list."""
    scopes = claims.get("scope", claims.get("scp", ""))
    if isinstance(scopes, str):
        return frozenset(scopes.split())
    if isinstance(scopes, list):
        return frozenset(scope for scope in scopes if isinstance(scope, str))
    return frozenset()
