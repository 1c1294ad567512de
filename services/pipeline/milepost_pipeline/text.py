"""A file's text on its way through the stages; all offsets count characters of `text`."""

import msgspec


class Page(msgspec.Struct, frozen=True, gc=False):
    """A page or slide, counted from 1, and where its text lies in the whole."""

    number: int
    start: int
    end: int


class ExtractedText(msgspec.Struct, frozen=True):
    """The output of `extracting`. No pages where the type has none."""

    name: str
    text: str
    pages: list[Page]


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the text that is found as a whole."""

    text: str
    start: int
    end: int
    page: int | None


class ChunkedText(msgspec.Struct, frozen=True):
    """The output of `chunking`."""

    name: str
    chunks: list[Chunk]
