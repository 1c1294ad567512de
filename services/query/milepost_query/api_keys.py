"""The API keys that are accepted, read from a file and again whenever it changes."""

import asyncio
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from milepost_query.credential import Credential
from milepost_schemas.identity import IDENTIFIER_PATTERN

CHECK_EVERY_S: Final = 1.0

_log = structlog.get_logger()

Signature = tuple[int, int, int]
"""Inode, size and time of change in ns: what tells a file's states apart without reading it."""


class ApiKeysError(Exception):
    """The file of API keys cannot be used."""


class _Entry(BaseModel):
    """One key; the key itself is nowhere stored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    key_id: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    organization_id: Annotated[str, Field(pattern=rf"^{IDENTIFIER_PATTERN}$")]
    scopes: frozenset[str]
    expires_at: AwareDatetime | None

    def credential(self) -> Credential:
        expires_at = self.expires_at.timestamp() if self.expires_at else inf
        return Credential(f"key:{self.key_id}", self.organization_id, self.scopes, expires_at)


class _KeysFile(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    keys: tuple[_Entry, ...]


class ApiKeys:
    """The keys of the last valid state of the file."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises ApiKeysError if it cannot be used."""
        self.version = 0
        """Another one after each change: what was checked before it has to be checked again."""
        self._path = path
        self._signature = _signature(path)
        self._credentials = _load(path)

    def find(self, key: bytes) -> Credential | None:
        """What the key proves, by its digest alone: no comparison leaks how much of it fits."""
        return self._credentials.get(sha256(key).digest())

    def refresh(self) -> None:
        """Reads the file again if it has changed; keeps the old keys if it cannot be used."""
        signature = _signature(self._path)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._credentials = _load(self._path)
            self.version += 1
        except ApiKeysError as error:
            _log.error("api_keys_kept", path=str(self._path), reason=str(error))
        else:
            _log.info("api_keys_read", path=str(self._path), keys=len(self._credentials))

    async def watch(self, *, every_s: float = CHECK_EVERY_S) -> None:
        """Refreshes for ever."""
        while True:
            await asyncio.sleep(every_s)
            self.refresh()


def _load(path: Path) -> dict[bytes, Credential]:
    try:
        file = _KeysFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ApiKeysError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ApiKeysError(f"{path} is not a valid file of API keys: {error}") from error
    return {bytes.fromhex(entry.sha256): entry.credential() for entry in file.keys}


def _signature(path: Path) -> Signature | None:
    """None if there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
