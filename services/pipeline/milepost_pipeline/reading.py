"""What the reader asks its worker process for, and what it gets: one line of JSON each."""

import msgspec


class ReadRequest(msgspec.Struct, frozen=True):
    """Which object to read, what is known about it, and where its text goes."""

    objects_url: str
    content_path: str
    text_path: str
    name: str
    mime_type: str
    timeout_s: float
    max_memory_bytes: int


class TextFound(msgspec.Struct, frozen=True, tag="text_found"):
    """The text is stored."""

    characters: int
    pages: int


class FileRefused(msgspec.Struct, frozen=True, tag="file_refused"):
    """The file cannot be read; the fields are those of a ProcessingError."""

    code: str
    message: str
    retryable: bool


class StoreAway(msgspec.Struct, frozen=True, tag="store_away"):
    """The object store did not do its work."""

    reason: str


Answer = TextFound | FileRefused | StoreAway
