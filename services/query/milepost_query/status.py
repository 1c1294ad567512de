"""A file's status as it goes out: body and headers, made once for each revision."""

from typing import Final

from milepost_query.waits.versions import Version
from milepost_schemas.document import Document
from milepost_schemas.record import StatusRecord, decode_record

Headers = tuple[tuple[bytes, bytes], ...]

_CONSTANT: Final[Headers] = ((b"cache-control", b"private, no-cache"), (b"vary", b"Prefer"))
_TERMINAL: Final = (b'{"status":"completed"', b'{"status":"failed"')
_JSON: Final = (b"content-type", b"application/json")


class Status:
    """The answer that one value of a file's key amounts to."""

    __slots__ = (
        "_value",
        "body",
        "body_headers",
        "document_headers",
        "etag",
        "headers",
        "is_deleted",
        "version",
    )

    def __init__(self, value: bytes, record: StatusRecord, generation: int) -> None:
        self._value = value
        self.body = record.body
        self.is_deleted = not record.body
        self.version: Version = (generation, int(record.revision))
        self.etag = b'"%d.%b"' % (generation, record.revision)
        self.document_headers: Headers = (
            (b"etag", self.etag),
            (b"milepost-attempt", record.attempt),
        )
        """For every answer about this revision."""
        self.headers: Headers = (*self.document_headers, *_CONSTANT)
        """For 200 and 304 alike."""
        self.body_headers: Headers = (
            *self.headers,
            _JSON,
            (b"content-length", b"%d" % len(record.body)),
        )
        """For 200."""

    def document(self) -> Document:
        """The whole document, decoded."""
        return decode_record(self._value)

    @property
    def is_terminal(self) -> bool:
        return self.body.startswith(_TERMINAL)

    def is_named_by(self, if_none_match: bytes) -> bool:
        """Whether the condition holds this ETag, by the weak comparison of RFC 9110, 13.1.2."""
        tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
        return self.etag in tags or tags == [b"*"]
