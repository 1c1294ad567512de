"""Server-sent events, read from the bytes of a stream as the HTML standard says."""

import re
from typing import Final, NamedTuple

from milepost.errors import UnexpectedAnswerError

MAX_EVENT_BYTES: Final = 1_000_000
"""A stream whose event is larger is none of the query service."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """An event of a stream."""

    name: str
    data: str
    id: str
    """The newest id so far; empty if there was none."""


class EventStream:
    """Turns the bytes of one stream into events; keeps only what is not yet complete."""

    def __init__(self) -> None:
        self.retry_s: float | None = None
        """How long to wait before the next connection, where the stream says so."""
        self._id = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._rest = b""
        self._is_begun = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that are complete with these bytes.

        Raises:
            UnexpectedAnswerError: an event has no end.
        """
        lines = self._lines(chunk)
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise UnexpectedAnswerError(f"an event of more than {MAX_EVENT_BYTES:,} bytes")
        events = (self._take(line.decode(errors="replace")) for line in lines)
        return [event for event in events if event is not None]

    def _lines(self, chunk: bytes) -> list[bytes]:
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        # A return at the end may be the first half of a line's end.
        if chunk.endswith(b"\r"):
            self._rest = lines.pop() + b"\r"
        if lines and not self._is_begun:
            self._is_begun = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        return lines

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_s = int(value[:9]) / 1000
            case _:  # a comment, or a field that is not known
                pass
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return ServerSentEvent(name, "\n".join(data), self._id) if data else None
