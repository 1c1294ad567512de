"""Which file a status request names, read from its path by hand."""

from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from milepost_schemas.identity import is_file_id, is_identifier

REMEMBERED_PATHS: Final = 16_384
"""Pollers ask for the same paths again and again."""


class FileAddress(NamedTuple):
    """The file of a request, as its path spells it."""

    organization_id: str
    store_id: str
    file_id: str
    is_well_formed: bool
    """Whether a file with these names can exist."""


@lru_cache(maxsize=REMEMBERED_PATHS)
def status_address(raw_path: bytes) -> FileAddress | None:
    """The file whose status the path names; None for any other path.

    Takes the path as it was sent: decoded first, `%2F` would pass for a separator.
    """
    match raw_path.split(b"/"):
        case [b"", b"v1", b"organizations", owner, b"stores", store, b"files", file, b"status"]:
            return file_address(*(unquote(part.decode("latin-1")) for part in (owner, store, file)))
    return None


def file_address(organization_id: str, store_id: str, file_id: str) -> FileAddress:
    """The file with these names."""
    is_well_formed = (
        is_identifier(organization_id) and is_identifier(store_id) and is_file_id(file_id)
    )
    return FileAddress(organization_id, store_id, file_id, is_well_formed)
