"""What the query service is told by its environment."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from milepost_primaries.url import RedisUrl
from milepost_query.access.tokens import TokenRules
from milepost_query.edge.access_log import Wanted
from milepost_query.edge.cross_origin import ANY_ORIGIN
from milepost_query.file_config import NO_LIMIT, UPLOAD_CHUNK_BYTES, Limits
from milepost_query.terms import HELD_OPEN, RATES_PER_S, Bound, Terms
from milepost_schemas.filetypes import MAX_FILE_BYTES
from milepost_schemas.keys import DEFAULT_PREFIX

ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?")

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Signatures by a private key alone: with a shared secret, who checks could also sign."""


class QuerySettings(BaseSettings):
    """Read once, when the process starts."""

    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    redis_url: SecretStr
    """One Redis, a cluster or sentinels, as `RedisUrl` says; it may hold a password."""
    redis_prefix: str = DEFAULT_PREFIX
    """Start of every key of the read model."""
    api_keys_file: Path
    """JSON file with the digests of the accepted API keys; read again when it changes."""
    jwt_jwks: str | None = None
    """File or https URL of the key set that tokens are checked against; without it only API keys
    are accepted, with it `jwt_issuer` and `jwt_audience` are required."""
    jwt_issuer: str | None = Field(default=None, min_length=1)
    """What `iss` of a token must be."""
    jwt_audience: str | None = Field(default=None, min_length=1)
    """What `aud` of a token must be or contain."""
    jwt_algorithms: Annotated[tuple[Algorithm, ...], NoDecode, Field(min_length=1)] = (
        "RS256",
        "ES256",
    )
    """The signatures that are accepted, separated by commas."""
    jwt_organization_claim: str = Field(default="organization_id", min_length=1)
    """The claim that names the organization of a token."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may ask, separated by commas; `*` alone for every one."""
    access_log: Wanted = "few"
    """Which requests get a line in the log: `off` none, `few` all but status reads and probes."""
    status_rate_per_s: float = Field(default=RATES_PER_S["status"], ge=0)
    """Reads of a status that each caller may make per second, ten times that at once; 0: no limit.
    A read of many statuses counts as one and one more for each 20."""
    request_rate_per_s: float = Field(default=RATES_PER_S["requests"], ge=0)
    """All other requests that each caller may make per second, ten times that at once."""
    max_waits: int = Field(default=HELD_OPEN.in_all, gt=0)
    """Waiting requests of one process."""
    max_waits_per_caller: int = Field(default=HELD_OPEN.per_caller, gt=0)
    max_streams: int = Field(default=HELD_OPEN.in_all, gt=0)
    """Open streams of one process."""
    max_streams_per_caller: int = Field(default=HELD_OPEN.per_caller, gt=0)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65_535)
    """0 takes any free port and logs which."""
    max_file_bytes: int = Field(default=MAX_FILE_BYTES, gt=0)
    """Largest file that is read, as `/v1/files/config` says; the pipeline's setting."""
    upload_chunk_bytes: int = Field(default=UPLOAD_CHUNK_BYTES, gt=0)
    """Size of the parts of a large upload, as `/v1/files/config` says."""
    storage_limit_bytes: int = Field(default=NO_LIMIT, gt=0)
    """What an organization may store, as its usage says; told, not enforced."""

    @property
    def terms(self) -> Terms:
        """On which terms requests are answered."""
        return Terms(
            file_limits=Limits(
                self.max_file_bytes, self.upload_chunk_bytes, self.storage_limit_bytes
            ),
            cors_origins=self.cors_origins,
            access_log=self.access_log,
            rates_per_s={"status": self.status_rate_per_s, "requests": self.request_rate_per_s},
            max_waits=Bound(self.max_waits, self.max_waits_per_caller),
            max_streams=Bound(self.max_streams, self.max_streams_per_caller),
        )

    @property
    def token_rules(self) -> TokenRules | None:
        """What tokens must say of themselves; None if none are accepted."""
        if self.jwt_jwks is None or self.jwt_issuer is None or self.jwt_audience is None:
            return None
        return TokenRules(
            self.jwt_issuer, self.jwt_audience, self.jwt_algorithms, self.jwt_organization_claim
        )

    @field_validator("jwt_algorithms", "cors_origins", mode="before")
    @classmethod
    def _split(cls, names: object) -> object:
        if not isinstance(names, str):
            return names
        return tuple(name.strip() for name in names.split(",") if name.strip())

    @field_validator("cors_origins")
    @classmethod
    def _require_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """A browser sends an origin in just this form, so no other would ever be met."""
        for origin in origins:
            if origins != (ANY_ORIGIN,) and not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not such as https://app.example.com")
        return origins

    @field_validator("jwt_jwks")
    @classmethod
    def _require_https(cls, jwks: str | None) -> str | None:
        """Whoever can change the keys on their way can sign tokens."""
        url = urlsplit(jwks or "")
        if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("keys of tokens are fetched by https only, except from localhost")
        return jwks

    @model_validator(mode="after")
    def _require_whole_rules(self) -> Self:
        given = (self.jwt_jwks, self.jwt_issuer, self.jwt_audience)
        if any(given) and None in given:
            raise ValueError("jwt_jwks, jwt_issuer and jwt_audience are set together or not at all")
        return self

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr) -> SecretStr:
        RedisUrl.parse(url.get_secret_value())
        return url
