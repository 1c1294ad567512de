"""A change of a file, as a record of the status topic says it."""

from dataclasses import dataclass

import msgspec

from milepost.log_reader import Record
from milepost.outbox import Position
from milepost_schemas.identity import file_key
from milepost_schemas.status_record import (
    GENERATION_HEADER,
    REVISION_HEADER,
    DeletedFile,
    FileDocument,
    decode_status,
)


class UnreadableStatusError(Exception):
    """A record of the status topic says nothing about a file."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a file is now. Of two changes of a file, the one with the larger `version` is newer."""

    document: FileDocument | DeletedFile
    """The whole document, or the marker of a deleted file."""
    generation: int
    revision: int
    position: Position
    """Where the record stands in the status topic."""

    @property
    def key(self) -> str:
        """`store_id/file_id`, which is the record's key."""
        return file_key(self.document.store_id, self.document.file_id)

    @property
    def version(self) -> tuple[int, int]:
        """Generation and revision; to be compared as a pair."""
        return self.generation, self.revision


def decode_change(record: Record, position: Position) -> Change:
    """The change that a record says.

    Raises:
        UnreadableStatusError: it says none.
    """
    if record.value is None:
        raise UnreadableStatusError("no value")
    headers = dict(record.headers)
    try:
        change = Change(
            decode_status(record.value),
            int(headers[GENERATION_HEADER]),
            int(headers[REVISION_HEADER]),
            position,
        )
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableStatusError("the value is no status") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableStatusError("generation or revision is not in the headers") from error
    if change.key.encode() != record.key or change.revision != change.document.revision:
        raise UnreadableStatusError("key and headers are not those of the value")
    return change
