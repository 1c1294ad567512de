r"""What Redis holds of a file: the status answer in front, the document behind it.

`<organization_id> <revision> <attempt>\n<status as JSON>\n<document as MessagePack>`; the status
of a deleted file is empty. A reader of statuses splits twice and decodes nothing.
"""

from typing import NamedTuple

import msgspec

from milepost_schemas.document import Document, render_status

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Document)


class StatusRecord(NamedTuple):
    """The part of a record that answers a status request, as bytes."""

    organization_id: bytes
    revision: bytes
    attempt: bytes
    body: bytes
    """The six keys as JSON, empty when the file is deleted."""


def encode_record(document: Document) -> bytes:
    """The value of the file's key."""
    head = f"{document.organization_id} {document.revision} {document.attempt}\n".encode()
    body = b"" if document.is_deleted else render_status(document)
    return b"".join((head, body, b"\n", _encoder.encode(document)))


def decode_record(value: bytes) -> Document:
    """The document in the value of a file's key; raises `msgspec.DecodeError` or `IndexError`."""
    return _decoder.decode(value.split(b"\n", 2)[2])


def split_status(value: bytes) -> StatusRecord:
    """The status part of the value of a file's key."""
    head, body, _ = value.split(b"\n", 2)
    organization_id, revision, attempt = head.split(b" ")
    return StatusRecord(organization_id, revision, attempt, body)
