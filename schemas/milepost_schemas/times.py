"""Points in time: milliseconds and whole seconds since 1970, and their RFC 3339 text."""

from datetime import UTC, datetime
from functools import lru_cache

_EARLIEST_MS = -62_135_596_800_000
_LATEST_MS = 253_402_300_799_999
_OUT_OF_RANGE = "a time outside the years 1 to 9999"


def parse_time_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time.

    Raises:
        ValueError: it is no such time, has no offset from UTC, or lies outside the years 1 to
            9999 in UTC.
    """
    if text.endswith("z"):
        text = f"{text[:-1]}Z"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset from UTC")
    milliseconds = round(moment.timestamp() * 1000)
    if not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        raise ValueError(_OUT_OF_RANGE)
    return milliseconds


_MILLISECONDS = {b".%03dZ" % number: number for number in range(1000)}
"""The ends of times as most publishers write them, with three decimals and a Z."""


def parse_header_ms(header: bytes) -> int:
    """As `parse_time_ms`, for the value of a header; events of one second share most of the work.

    Raises:
        ValueError: as `parse_time_ms`, or it is not UTF-8.
    """
    milliseconds = _MILLISECONDS.get(header[19:])
    if milliseconds is not None:
        second = _whole_second_ms(header[:19])
        if second is not None:
            return second + milliseconds
    return parse_time_ms(header.decode())


@lru_cache(maxsize=4_096)
def _whole_second_ms(text: bytes) -> int | None:
    """Milliseconds of `2025-06-15T10:00:05` in UTC, None for any other form."""
    if (text[10:11], text[13:14], text[16:17]) != (b"T", b":", b":"):
        return None
    return parse_time_ms(f"{text.decode()}Z")


def datetime_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return round(moment.timestamp() * 1000)


@lru_cache(maxsize=16_384)
def format_seconds(seconds: int) -> str:
    """RFC 3339 text of whole seconds since 1970: `2025-06-15T10:00:05Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"


def format_ms(milliseconds: int) -> str:
    """RFC 3339 text of milliseconds since 1970: `2025-06-15T10:00:05.123Z`.

    Raises:
        ValueError: the time lies outside the years 1 to 9999.
    """
    if not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        raise ValueError(_OUT_OF_RANGE)
    seconds, rest = divmod(milliseconds, 1000)
    return f"{format_seconds(seconds)[:-1]}.{rest:03d}Z"
