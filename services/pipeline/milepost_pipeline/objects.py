"""The object store: files' content and the stages' outputs, in a folder or a bucket."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from obstore import exceptions
from obstore.store import LocalStore, from_url

from milepost.errors import NotNowError


class ObjectMissingError(Exception):
    """There is no such object."""


class StorageUnavailableError(NotNowError):
    """The object store or the index did not do its work; the same may succeed later."""


class ObjectStore:
    """Objects by path, at a URL that obstore knows: `file:///…`, `s3://…`, `gs://…`, `az://…`.

    Each write is atomic: a reader sees the whole object or none. Credentials come from the
    environment, by the names that each provider's own tools use.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        is_local = self.url.startswith("file:")
        self._store = (
            LocalStore.from_url(self.url, mkdir=True, automatic_cleanup=True)
            if is_local
            else from_url(self.url)
        )

    async def read(self, path: str) -> bytes:
        """Raises ObjectMissingError."""
        async with _translated(path):
            result = await self._store.get_async(path)
            return bytes(await result.bytes_async())

    async def size_of(self, path: str) -> int:
        """Return the size in bytes; raises ObjectMissingError."""
        async with _translated(path):
            return (await self._store.head_async(path))["size"]

    async def write(self, path: str, content: bytes | Path) -> None:
        """Store bytes, or a local file piece by piece."""
        async with _translated(path):
            await self._store.put_async(path, content)

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all objects below a folder."""
        async with _translated(folder):
            batches = self._store.list_async(prefix=folder)
            return [meta["path"] async for batch in batches for meta in batch]

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove objects; one that is already gone is not an error."""
        for path in paths:
            with suppress(ObjectMissingError):
                async with _translated(path):
                    await self._store.delete_async(path)


@asynccontextmanager
async def _translated(path: str) -> AsyncIterator[None]:
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        raise ObjectMissingError(path) from error
    except (exceptions.BaseError, OSError) as error:
        # obstore appends the error of each layer below on lines of their own.
        reason = str(error).partition("\n")[0]
        raise StorageUnavailableError(f"{path}: {reason}") from error
