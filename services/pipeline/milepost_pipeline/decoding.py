"""Text from bytes whose encoding nobody declared, or a refusal, but never mojibake."""

import codecs
import re

from milepost_pipeline.failures import failure

# UTF-32 before UTF-16: its little-endian mark begins with the other's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE
)
_DECLARED_WITHIN = 2048
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ROWS = re.compile(r"[^\x00-\x7f\xa0«»•–—…‘’“”]{3,}")  # noqa: RUF001  typographic marks
_SAMPLE_BYTES = 4096


def decode_text(data: bytes, noun: str, *, declares_encoding: bool = False) -> str:
    """Return the text without byte-order mark and control characters.

    Args:
        data: the whole file.
        noun: what its owner calls the file.
        declares_encoding: whether an encoding named inside (HTML's `charset`) is to be believed.

    Raises:
        ProcessingError: the bytes are not text in any encoding that can be told with certainty.
    """
    candidates = _encodings(data, declares_encoding=declares_encoding)
    for encoding in candidates:
        text = _try_decode(data, encoding)
        if text is not None:
            return text.removeprefix("\ufeff")
    raise failure("unreadable_encoding", noun=noun)


def _encodings(data: bytes, *, declares_encoding: bool) -> list[str]:
    """Return the encodings to try, the surest first; a byte-order mark leaves no choice."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return [encoding]
    declared = _declared(data) if declares_encoding else []
    return [*declared, "utf-8", *_unmarked_utf16(data), "cp1252"]


def _declared(data: bytes) -> list[str]:
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    # A declaration that could be read byte by byte does not stand in UTF-16 text.
    if found is None or b"16" in found[1] or b"32" in found[1]:
        return []
    return [found[1].decode()]


def _unmarked_utf16(data: bytes) -> list[str]:
    """Return the byte order in which every second byte is mostly zero, as in most languages."""
    sample = data[:_SAMPLE_BYTES]
    half = max(1, len(sample) // 2)
    if sample[1::2].count(0) > 0.4 * half and sample[0::2].count(0) < 0.1 * half:
        return ["utf-16-le"]
    if sample[0::2].count(0) > 0.4 * half and sample[1::2].count(0) < 0.1 * half:
        return ["utf-16-be"]
    return []


def _try_decode(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeError):
        return None
    if encoding == "cp1252" and not _is_western(text):
        return None
    clean, controls = _CONTROLS.subn("", text)
    return clean if controls <= len(text) // 1000 else None


def _is_western(text: str) -> bool:
    """Whether accented letters stand alone: other scripts misread as cp1252 have them in rows.

    Nearly any byte is some character in cp1252, so a successful decoding proves nothing.
    """
    foreign = sum(character > "\x7f" for character in text)
    in_rows = sum(len(row) for row in _ROWS.findall(text))
    return foreign <= 0.4 * len(text) and in_rows <= 0.1 * foreign
