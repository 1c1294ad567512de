"""The fold of one partition of the log: what every file's document has to be, and why."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec
from confluent_kafka import murmur2

from milepost_auditor.topic_reader import Record
from milepost_schemas.checkpoint import fingerprint
from milepost_schemas.codec import (
    ForeignRecordError,
    InvalidReason,
    InvalidRecordError,
    check_identity,
    decode_event,
)
from milepost_schemas.document import Document
from milepost_schemas.events import MAX_STEPS, Event
from milepost_schemas.fold import Outcome, fold
from milepost_schemas.identity import file_key
from milepost_schemas.logs import LogLine, append_line, log_line

FOREIGN: Final = "foreign"


class FoldedFile(msgspec.Struct):
    """A file as the log tells it, up to the fold's position."""

    document: Document
    offset: int = -1
    """Of the newest event that changed what is stored of the file."""
    lines: list[LogLine] | None = None


class Rejection(msgspec.Struct, frozen=True):
    """A record that can never be applied: it has to be a dead letter."""

    record: Record
    reason: InvalidReason


class PartitionFold:
    """Folds records in offset order; keeps all documents of the partition in memory."""

    def __init__(self, number: int, partitions: int) -> None:
        self.files: dict[bytes, FoldedFile] = {}
        self.outcomes: Counter[str] = Counter()
        """What became of the records: an outcome of the fold, a reason, or `foreign`."""
        self.rejections: list[Rejection] = []
        self.last: Record | None = None
        """The newest record, whatever became of it."""
        self._number = number
        self._partitions = partitions

    def fold(self, records: Iterable[Record]) -> None:
        """Fold the records, which follow those folded before."""
        outcomes: list[str] = []
        record: Record | None = None
        for record in records:
            try:
                outcomes.append(self.fold_one(record))
            except ForeignRecordError:
                outcomes.append(FOREIGN)
            except InvalidRecordError as error:
                self.rejections.append(Rejection(record, error.reason))
                outcomes.append(error.reason)
        self.outcomes.update(outcomes)
        # Not by its truth: a record without bytes in its value counts as empty.
        self.last = self.last if record is None else record

    def mark(self) -> str:
        """The fingerprint that a checkpoint carries at this position."""
        last = self.last
        if last is None:
            return "-"
        return fingerprint(last.offset(), last.timestamp()[1], last.key(), last.value())

    def fold_one(self, record: Record) -> str:
        """Fold one record and say what became of it; for those who count themselves.

        Raises:
            InvalidRecordError: it can never be applied.
            ForeignRecordError: it is nobody's business.
        """
        event = decode_event(record.value(), record.headers() or ())
        data = event.data
        key = record.key() or b""
        file = self.files.get(key)
        if file is None:
            file = self._first_sight(key, event)
        document = file.document
        if data.file_id != document.file_id or data.store_id != document.store_id:
            check_identity(data, key)
        outcome = fold(document, event, record.offset(), record.timestamp()[1])
        if outcome in _CHANGING:
            file.offset = record.offset()
            self.files[key] = file
            if outcome == "log_line":
                _add_line(file, event, record)
        elif outcome in _REJECTIONS:
            raise InvalidRecordError(*_REJECTIONS[outcome])
        return outcome

    def _first_sight(self, key: bytes, event: Event) -> FoldedFile:
        """A file that no record has named before."""
        data = event.data
        check_identity(data, key)
        right = murmur2(file_key(data.store_id, data.file_id).encode(), self._partitions)
        if right != self._number:
            raise InvalidRecordError("wrong_partition", f"the key belongs to partition {right}")
        return FoldedFile(Document(data.organization_id, data.store_id, data.file_id))


def _add_line(file: FoldedFile, event: Event, record: Record) -> None:
    if file.lines is None:
        file.lines = []
    append_line(file.lines, log_line(event, record.timestamp()[1]))


_CHANGING: Final = frozenset({"applied", "sign_of_life", "log_line"})

_REJECTIONS: Final[dict[Outcome, tuple[InvalidReason, str]]] = {
    "wrong_organization": ("wrong_organization", "the file belongs to another organization"),
    "too_many_steps": ("too_many_steps", f"the attempt has {MAX_STEPS} steps already"),
}
