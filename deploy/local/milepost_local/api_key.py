"""The key with which the user of a stack asks it."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from milepost_local.data_directory import DataDirectory, write_private
from milepost_query.access.keys_file import SCOPES, ApiKey, KeysFile, digest

ORGANIZATION_ID = "org_local"
STORE_ID = "vs_local"


@dataclass(frozen=True)
class LocalKey:
    """The key itself, and the file of digests from which the query service knows it."""

    secret: str
    keys_file: Path


def local_key(directory: DataDirectory) -> LocalKey:
    """The key of the directory, made at the first call; keys that were added to the file stay."""
    secret_file = directory.root / "api-key"
    keys_file = directory.root / "api-keys.json"
    if not secret_file.exists():
        write_private(secret_file, f"ak_{secrets.token_urlsafe(32)}")
        keys_file.unlink(missing_ok=True)
    secret = secret_file.read_text().strip()
    if not keys_file.exists():
        KeysFile(keys_file).add(_entry(secret))
    return LocalKey(secret, keys_file)


def _entry(secret: str) -> ApiKey:
    return ApiKey(
        key_id="local",
        sha256=digest(secret),
        organization_id=ORGANIZATION_ID,
        scopes=SCOPES,
        expires_at=None,
    )
