"""How organizations, stores and files are named."""

import re
from functools import lru_cache

RESERVED_FILE_IDS = frozenset(
    {
        "config",
        "register",
        "remove-bulk",
        "status",
        "stream",
        "upload",
        "upload-url",
        "usage",
    }
)
"""Path segments of the HTTP interface; a file with such an id could not be addressed."""

IDENTIFIER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"

_LONGEST = 128

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


def is_identifier(text: str) -> bool:
    """Whether the text can name an organization, a store or a file (1 to 128 characters)."""
    # Texts that are too long are not remembered: whoever sends them would fill the memory.
    return len(text) <= _LONGEST and _has_the_form(text)


@lru_cache(maxsize=65_536)
def _has_the_form(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None


def is_file_id(text: str) -> bool:
    """Whether the text can name a file: an identifier that no route claims for itself."""
    return is_identifier(text) and text not in RESERVED_FILE_IDS


def file_key(store_id: str, file_id: str) -> str:
    """The record key of a file, which is also its name inside a partition's read model."""
    return f"{store_id}/{file_id}"
