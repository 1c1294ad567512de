"""The text of a file, by kreuzberg, with the places where its pages begin.

Runs in the reader's worker process only: native parsers crash, hang and eat memory.
"""

import re
import secrets

from kreuzberg import ExtractionConfig, KreuzbergError, PageConfig, extract_bytes_sync

from milepost.errors import ProcessingError
from milepost_pipeline.decoding import decode_text
from milepost_pipeline.failures import failure
from milepost_pipeline.filetypes import detect
from milepost_pipeline.text import ExtractedText, Page
from milepost_schemas.filetypes import HTML, PDF, PPTX, TEXT, TEXT_TYPES, FileType

MAX_CHARACTERS = 30_000_000
"""Longest text of one file, about ten thousand pages."""

_LINE_BREAKS = re.compile(r"\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_LETTER = re.compile(r"\w")


def extract(data: bytes, name: str, mime_type: str) -> ExtractedText:
    """Return the text of the file's content.

    Raises:
        ProcessingError: the file cannot be read, or has no or too much text.
    """
    type_ = detect(data, name, mime_type)
    if type_ in TEXT_TYPES:
        data = decode_text(data, type_.noun, declares_encoding=type_ is HTML).encode()
    parts = [(number, _clean(part)) for number, part in _split_pages(data, type_)]
    text = "\n\n".join(part for _, part in parts)
    if not _LETTER.search(text):
        raise failure("no_text", noun=type_.noun)
    if len(text) > MAX_CHARACTERS:
        raise failure("too_much_text", characters=len(text), limit=MAX_CHARACTERS)
    return ExtractedText(name, text, _locate(parts))


def _split_pages(data: bytes, type_: FileType) -> list[tuple[int | None, str]]:
    """Return the text of each page with its number, or the whole without one."""
    if type_ is TEXT:
        return [(None, data.decode())]
    if type_ not in (PDF, PPTX):
        text = _read(data, type_, None)
        return [(None, _IMAGE_OR_LINK.sub(r"\1", text) if type_ is HTML else text)]
    # Kreuzberg's own page boundaries drift after an empty page; its markers do not. The token
    # is random, so that no document can contain it.
    token = secrets.token_hex(8)
    marker = f"\n\n{token}p{{page_num}}e\n\n"
    config = PageConfig(extract_pages=True, insert_page_markers=True, marker_format=marker)
    first, *rest = re.split(rf"{token}p(\d+)e", _read(data, type_, config))
    numbered = zip(map(int, rest[::2]), rest[1::2], strict=True)
    return [(None, first)] if not rest else list(numbered)


def _read(data: bytes, type_: FileType, pages: PageConfig | None) -> str:
    config = ExtractionConfig(use_cache=False, enable_quality_processing=False, pages=pages)
    try:
        return extract_bytes_sync(data, type_.mime_type, config).content
    except (KreuzbergError, OSError, RuntimeError, ValueError) as error:
        raise _translate(str(error), type_) from error


def _translate(reason: str, type_: FileType) -> ProcessingError:
    """Kreuzberg has one error for everything that can be wrong with a file."""
    if "password" in reason.lower():
        return failure("password_protected", noun=type_.noun)
    if "out of memory" in reason:
        return failure("out_of_memory")
    if "Security limit exceeded" in reason:
        return failure("unpacks_too_large", noun=type_.noun)
    return failure("corrupt_file", noun=type_.noun)


def _clean(text: str) -> str:
    return _LINE_BREAKS.sub("\n", text).replace("\x00", "").strip()


def _locate(parts: list[tuple[int | None, str]]) -> list[Page]:
    pages, start = [], 0
    for number, part in parts:
        if number is not None:
            pages.append(Page(number, start, start + len(part)))
        start += len(part) + 2
    return pages
