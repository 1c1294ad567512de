"""The public keys that tokens are checked against: a JSON Web Key Set, read again and again."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx
import structlog
from jwt import PyJWK, PyJWKSet, PyJWTError

FILE_EVERY_S: Final = 1.0
URL_EVERY_S: Final = 30.0
FIRST_EVERY_S: Final = 1.0
"""As long as there never were any keys."""

ANSWERS_WITHIN_S: Final = 5.0

Read = Callable[[], Awaitable[bytes]]

_log = structlog.get_logger()


class TokenKeysError(Exception):
    """The key set cannot be had, or holds nothing that can be used."""


class TokenKeys:
    """The keys of the last good key set; one that cannot be had or used takes nothing away."""

    def __init__(self, source: str, read: Read, *, every_s: float) -> None:
        """`source` is what the log calls it."""
        self.version = 0
        """Another one after each change: what was checked before it has to be checked again."""
        self._source = source
        self._read = read
        self._every_s = every_s
        self._raw = b""
        self._keys: tuple[PyJWK, ...] = ()
        self._trouble: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether there ever was a key set."""
        return bool(self._keys)

    def find(self, key_id: object, algorithm: object) -> PyJWK | None:
        """The key that a token's header names; without a name, the only one of its algorithm."""
        fitting = [key for key in self._keys if key.algorithm_name == algorithm]
        if key_id is not None:
            fitting = [key for key in fitting if key.key_id == key_id]
        return fitting[0] if len(fitting) == 1 else None

    async def watch(self) -> None:
        """Refreshes for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._every_s if self._keys else FIRST_EVERY_S)

    async def refresh(self) -> None:
        """Reads the key set again; keeps the old one if that fails, and says so once."""
        try:
            raw = await self._read()
            keys = self._keys if raw == self._raw else usable_keys(raw)
        except (TokenKeysError, OSError, httpx.HTTPError) as error:
            self._report(f"{type(error).__name__}: {error}")
            return
        self._report(None)
        if raw != self._raw:
            self._raw, self._keys = raw, keys
            self.version += 1
            _log.info("token_keys_read", source=self._source, keys=len(keys))

    def _report(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            _log.error(
                "token_keys_not_read", source=self._source, reason=trouble, kept=len(self._keys)
            )
        self._trouble = trouble


def usable_keys(raw: bytes) -> tuple[PyJWK, ...]:
    """The keys for signatures of a JSON Web Key Set (RFC 7517). Raises TokenKeysError."""
    try:
        members = json.loads(raw)["keys"]
        for_signatures = [key for key in members if key.get("use", "sig") == "sig"]
        return tuple(PyJWKSet(for_signatures).keys)
    except (ValueError, LookupError, TypeError, AttributeError, PyJWTError) as error:
        # A key set may be private by mistake: nothing of it goes into a log.
        raise TokenKeysError("no JSON Web Key Set with a usable key") from error


def token_keys(jwks: str) -> TokenKeys:
    """The keys at an http(s) URL or in a file."""
    if jwks.startswith(("https://", "http://")):
        return TokenKeys(jwks, lambda: _fetched(jwks), every_s=URL_EVERY_S)
    return TokenKeys(jwks, lambda: asyncio.to_thread(Path(jwks).read_bytes), every_s=FILE_EVERY_S)


async def _fetched(url: str) -> bytes:
    async with (
        httpx.AsyncClient(timeout=ANSWERS_WITHIN_S) as client,
        asyncio.timeout(ANSWERS_WITHIN_S),
    ):
        response = await client.get(url)
    if not response.is_success:
        raise TokenKeysError(f"the answer was {response.status_code}")
    return response.content
