"""An issuer of tokens: its keys, their key set, and what it signs."""

import base64
import hmac
import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from milepost_query.access.tokens import TokenRules
from tests.integration.query.running import ORGANIZATION

RULES = TokenRules(
    issuer="https://issuer.example",
    audience="milepost",
    algorithms=("RS256", "ES256"),
    organization_claim="org",
)


@cache
def rsa(name: str) -> RSAPrivateKey:  # noqa: ARG001  a key for each name
    return rsa_key(public_exponent=65_537, key_size=2_048)


@cache
def elliptic() -> Any:
    return ec_key(SECP256R1())


def key_set(*names: str) -> str:
    """RSA keys by name, and the elliptic one as `ec`."""
    keys = [
        jwt.algorithms.RSAAlgorithm.to_jwk(rsa(name).public_key(), as_dict=True)
        | {"kid": name, "use": "sig", "alg": "RS256"}
        for name in names
    ]
    elliptic_key = jwt.algorithms.ECAlgorithm.to_jwk(elliptic().public_key(), as_dict=True)
    return json.dumps({"keys": [*keys, elliptic_key | {"kid": "ec"}]})


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a claim of None is left out."""
    said = {
        "iss": RULES.issuer,
        "aud": RULES.audience,
        "sub": "user-1",
        "exp": int(time.time()) + 600,
        "org": ORGANIZATION,
        "scope": "openid files:read",
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def token(
    key: str = "one",
    *,
    headers: dict[str, Any] | None = None,
    algorithm: str = "RS256",
    **changes: Any,
) -> str:
    """A token that an RSA key has signed."""
    said = {"kid": key} if headers is None else headers
    return jwt.encode(claims(**changes), rsa(key), algorithm=algorithm, headers=said)


def elliptic_token() -> str:
    return jwt.encode(claims(), elliptic(), algorithm="ES256", headers={"kid": "ec"})


def unsigned_token() -> str:
    return jwt.encode(claims(), "", algorithm="none", headers={"kid": "one"})


def confused_token() -> str:
    """Signed with the public key, as if that were a shared secret."""
    public = rsa("one").public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims())}"
    return f"{signed}.{_base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


def odd_key_id_token() -> str:
    """With a list for its key's name, which no library signs."""
    _, body, signature = token().split(".")
    return ".".join((_part({"alg": "RS256", "kid": ["one"]}), body, signature))


def tampered_token() -> str:
    """The claims of one token with the signature of another."""
    head, _, signature = token().split(".")
    return ".".join((head, token(org="org_stranger").split(".")[1], signature))


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
