"""What the credentials of a request prove."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credential:
    """One key or token that was checked, or two that agree."""

    caller: str
    """Who it is to whom limits apply: a key, or the subject of a token."""
    organization_id: str
    scopes: frozenset[str]
    expires_at: float
    """Seconds since 1970, infinite if never."""
