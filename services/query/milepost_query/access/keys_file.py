"""The file of API keys: what stands in it, and how it is changed."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from milepost_query.access.credential import Credential
from milepost_schemas.identity import IDENTIFIER_PATTERN

READ_SCOPE: Final = "files:read"
SCOPES: Final = (READ_SCOPE, "files:write")


def digest(secret: str) -> str:
    """What stands in the file for a key that its owner has."""
    return sha256(secret.encode()).hexdigest()


class ApiKeysError(Exception):
    """The file of API keys cannot be used."""


class ApiKey(BaseModel):
    """One key; the key itself is nowhere stored."""

    # What somebody else has put beside these stays when the file is changed.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="allow")

    key_id: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    organization_id: Annotated[str, Field(pattern=rf"^{IDENTIFIER_PATTERN}$")]
    scopes: tuple[str, ...]
    expires_at: AwareDatetime | None
    created_at: AwareDatetime | None = None

    def credential(self) -> Credential:
        expires_at = self.expires_at.timestamp() if self.expires_at else inf
        scopes = frozenset(self.scopes)
        return Credential(f"key:{self.key_id}", self.organization_id, scopes, expires_at)


class _Contents(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="allow")

    keys: tuple[ApiKey, ...]


class KeysFile:
    """The keys in one file. A change is seen whole or not at all, and none is lost to another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """All keys, expired ones as well. Raises ApiKeysError."""
        return self._read().keys

    def add(self, key: ApiKey) -> None:
        """Puts a key into the file, which is made if there is none. Raises ApiKeysError."""
        self._change(lambda keys: (*keys, key))

    def remove(self, key_id: str) -> bool:
        """Takes a key out; False if there is none of that name. Raises ApiKeysError."""
        is_there = any(key.key_id == key_id for key in self.read())
        if is_there:
            self._change(lambda keys: tuple(key for key in keys if key.key_id != key_id))
        return is_there

    def _read(self) -> _Contents:
        try:
            return _Contents.model_validate_json(self.path.read_bytes())
        except OSError as error:
            raise ApiKeysError(f"{self.path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise ApiKeysError(f"{self.path} is not a valid file of API keys: {error}") from error

    def _change(self, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
        try:
            with _alone_in(self.path.parent):
                before = self._read() if self.path.exists() else _Contents(keys=())
                after = before.model_copy(update={"keys": change(before.keys)})
                _replace(self.path.resolve(), after.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise ApiKeysError(f"{self.path} cannot be changed: {error.strerror}") from error


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Holds up everybody else who wants to change the file, in any process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Readers see the old or the new text, and only the owner of the old one sees any."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            _keep_owner(path, descriptor)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, descriptor: int) -> None:
    """The service could not read what root has made its own."""
    if not path.exists():
        return
    before, now = path.stat(), os.fstat(descriptor)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
