"""Which file a request names, read from its path by hand."""

from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from milepost_schemas.identity import is_file_id, is_identifier

REMEMBERED_PATHS: Final = 16_384
"""Pollers ask for the same paths again and again."""
LONGEST_REMEMBERED: Final = 1_024
"""Bytes or characters; longer ones are none that a client means, and would fill the memory."""


class FileAddress(NamedTuple):
    """The file of a request, as its path spells it."""

    organization_id: str
    store_id: str
    file_id: str
    is_well_formed: bool
    """Whether a file with these names can exist."""


class PlainPath(NamedTuple):
    """What a path outside of FastAPI's routing asks for."""

    route: Literal["files", "status", "stream", "statuses"]
    address: FileAddress
    """Of a whole store the file's id is empty."""


def plain_path(raw_path: bytes) -> PlainPath | None:
    """What a path of one of these routes names; None for any other path.

    Takes the path as it was sent: decoded first, `%2F` would pass for a separator.
    """
    if len(raw_path) > LONGEST_REMEMBERED:
        return _read_path(raw_path)
    return _remembered_path(raw_path)


def _read_path(raw_path: bytes) -> PlainPath | None:
    match raw_path.split(b"/"):
        case [b"", b"v1", b"organizations", owner, b"stores", store, b"files", *rest]:
            match rest:
                case []:
                    return PlainPath("files", _address(owner, store, b""))
                case [file, b"status"]:
                    return PlainPath("status", _address(owner, store, file))
                case [file, b"status", b"stream"]:
                    return PlainPath("stream", _address(owner, store, file))
                case [b"status"]:
                    return PlainPath("statuses", _address(owner, store, b""))
    return None


def _address(*parts: bytes) -> FileAddress:
    return file_address(*(unquote(part.decode("latin-1")) for part in parts))


def file_address(organization_id: str, store_id: str, file_id: str) -> FileAddress:
    """Addresses a file by its names, whether they are well-formed or not."""
    if len(organization_id) + len(store_id) + len(file_id) > LONGEST_REMEMBERED:
        return _check_names(organization_id, store_id, file_id)
    return _remembered_names(organization_id, store_id, file_id)


def _check_names(organization_id: str, store_id: str, file_id: str) -> FileAddress:
    is_well_formed = (
        is_identifier(organization_id) and is_identifier(store_id) and is_file_id(file_id)
    )
    return FileAddress(organization_id, store_id, file_id, is_well_formed)


_remembered_path = lru_cache(maxsize=REMEMBERED_PATHS)(_read_path)
_remembered_names = lru_cache(maxsize=REMEMBERED_PATHS)(_check_names)
