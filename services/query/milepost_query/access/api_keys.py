"""The API keys that are accepted, read from a file and again whenever it changes."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from milepost_query.access.credential import Credential
from milepost_query.access.keys_file import ApiKeysError, KeysFile

CHECK_EVERY_S: Final = 1.0

_log = structlog.get_logger()

Signature = tuple[int, int, int]
"""Inode, size and time of change in ns: what tells a file's states apart without reading it."""


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
        except ApiKeysError as error:
            _log.error("api_keys_kept", path=str(self._path), reason=str(error))
        else:
            self.version += 1
            _log.info("api_keys_read", path=str(self._path), keys=len(self._credentials))

    async def watch(self, *, every_s: float = CHECK_EVERY_S) -> None:
        """Refreshes for ever."""
        while True:
            await asyncio.sleep(every_s)
            self.refresh()


def _load(path: Path) -> dict[bytes, Credential]:
    return {bytes.fromhex(key.sha256): key.credential() for key in KeysFile(path).read()}


def _signature(path: Path) -> Signature | None:
    """None if there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
