"""The processing log of a file: its newest lines, each once."""

from hashlib import blake2b

import msgspec

from milepost_schemas.events import Event, LogRecorded
from milepost_schemas.times import format_seconds

MAX_LINES = 200
"""How many lines a file keeps, the newest."""


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line as the read model stores it."""

    identity: str
    """Digest of the event's `source` and `id`, by which a repeated line is known."""
    timestamp: str
    level: str
    message: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LogLine)


def log_line(event: Event, appended_ms: int) -> LogLine:
    """The line of a `log.recorded` event; its time is never later than the broker's."""
    data = event.data
    if not isinstance(data, LogRecorded):
        raise TypeError(f"{event.type} carries no log line")
    time_ms = appended_ms if event.time_ms is None else min(event.time_ms, appended_ms)
    identity = blake2b(f"{event.source}\n{event.id}".encode(), digest_size=8).hexdigest()
    return LogLine(identity, format_seconds(time_ms // 1000), data.level, data.message)


def append_line(lines: list[LogLine], line: LogLine) -> bool:
    """Append in place, dropping the oldest beyond the limit; False if the line is there already."""
    if any(kept.identity == line.identity for kept in lines):
        return False
    lines.append(line)
    del lines[:-MAX_LINES]
    return True


def encode_line(line: LogLine) -> bytes:
    """The list element of a line."""
    return _encoder.encode(line)


def decode_line(value: bytes) -> LogLine:
    """The inverse of `encode_line`; raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(value)
