"""The history of a file: every event of its key in the log, and what it did."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from milepost_auditor.document_view import changes, view
from milepost_auditor.outcomes import became_of
from milepost_auditor.partition_fold import PartitionFold
from milepost_auditor.targets import Target
from milepost_auditor.topic_reader import Record, TopicReader, count_partitions
from milepost_schemas.codec import ForeignRecordError, InvalidRecordError
from milepost_schemas.times import format_ms
from milepost_schemas.topics import partition_of


class HistoryEvent(msgspec.Struct, frozen=True):
    """One record with the file's key. Texts are the headers', as far as they can be read."""

    offset: int
    appended_at: str
    time: str | None
    source: str | None
    type: str | None
    became: str
    """`applied`, `ignored`, `skipped` or `dead_lettered`."""
    outcome: str
    """More exactly: the fold's outcome, or the reason for the dead letter."""
    detail: str | None
    changes: dict[str, tuple[Any, Any]]
    """What changed in the document: before and after."""


class History(msgspec.Struct, frozen=True):
    """All events of a file, in the order of the log."""

    file: str
    partition: int
    events: list[HistoryEvent]
    document: dict[str, Any]
    """What the events have come to; empty where none was applied."""


def read_history(target: Target, file: str, on_progress: Callable[[int, int], None]) -> History:
    """The history up to the end of the log; only the file's partition is read.

    Args:
        target: Where the log is.
        file: The record key, `store_id/file_id`.
        on_progress: Called now and then with the records read so far, and all of them.

    Raises:
        MilepostError: the log cannot be read.
    """
    topic, key = target.names.events_topic, file.encode()
    partitions = count_partitions(target.kafka, topic)
    number = partition_of(key, partitions)
    teller = _Teller(key, PartitionFold(number, partitions))
    events: list[HistoryEvent] = []
    with TopicReader(target.kafka, topic, number) as reader:
        _, end = reader.bounds()
        for batch in reader.up_to(end):
            events += [teller.tell(record) for record in batch if record.key() == key]
            on_progress(reader.position - reader.beginning, end - reader.beginning)
    return History(file, number, events, teller.document())


class _Teller:
    """Folds one file's records and says what each of them changed."""

    def __init__(self, key: bytes, fold: PartitionFold) -> None:
        self._key = key
        self._fold = fold

    def tell(self, record: Record) -> HistoryEvent:
        before = copy.deepcopy(self._fold.files.get(self._key))
        detail: str | None = None
        try:
            outcome = self._fold.fold_one(record)
        except InvalidRecordError as error:
            outcome, detail = error.reason, error.detail
        except ForeignRecordError:
            outcome = "foreign"
        after = self._fold.files.get(self._key)
        headers = dict(record.headers() or ())
        return HistoryEvent(
            record.offset(),
            format_ms(record.timestamp()[1]),
            _text(headers.get("ce_time")),
            _text(headers.get("ce_source")),
            _text(headers.get("ce_type")),
            became_of(outcome),
            outcome,
            detail,
            changes(before, after),
        )

    def document(self) -> dict[str, Any]:
        file = self._fold.files.get(self._key)
        return {} if file is None else view(file)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode(errors="backslashreplace")
