"""The log of one partition as plain values: records that never saw a broker."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from milepost_projector.partition import Folded, Partition, PartitionFold
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.document import Document
from milepost_schemas.events import Event, EventData, LogRecorded, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.times import parse_time_ms

T = TypeVar("T")

START_MS = parse_time_ms("2025-06-15T10:00:00Z")
KEYS = Keys().partition(1, 0)
BEGINNING = Checkpoint(0)
PARTITIONS = 1
"""With a single partition every file belongs to it."""


class PlainRecord(NamedTuple):
    """What a fold reads of a record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def fact(kind: type[T], number: int = 1, **fields: Any) -> T:
    """The data of an event of the file with this number."""
    identity = {"organization_id": "org_1", "store_id": "vs_1", "file_id": f"file_{number}"}
    return kind(**(identity | {"attempt": 1} | fields))


def progressed(number: int = 1, percent: int | None = None, **fields: Any) -> StepProgressed:
    return fact(StepProgressed, number, step="reading", progress_percent=percent, **fields)


def logged(number: int = 1, message: str = "Still here.") -> LogRecorded:
    return fact(LogRecorded, number, level="info", message=message)


def log(*entries: EventData | EncodedRecord, first: int = 0) -> list[PlainRecord]:
    """The records of the entries at successive offsets, appended a second apart."""
    return [_record(first + index, entry) for index, entry in enumerate(entries)]


def _record(offset: int, entry: EventData | EncodedRecord) -> PlainRecord:
    if not isinstance(entry, EncodedRecord):
        entry = encode(Event(f"id-{offset}", "/tests", None, entry))
    return PlainRecord(
        offset, START_MS + offset * 1000, entry.key, entry.value, tuple(entry.headers)
    )


def a_fold(checkpoint: Checkpoint = BEGINNING) -> PartitionFold:
    return PartitionFold(Partition(0, 1, KEYS), PARTITIONS, checkpoint)


def file_name(number: int = 1) -> bytes:
    return f"vs_1/file_{number}".encode()


def documents(numbers: range) -> dict[bytes, Document]:
    """Stored documents of files that were heard of once."""
    return {
        file_name(number): Document("org_1", "vs_1", f"file_{number}", revision=1)
        for number in numbers
    }


def folded(
    fold: PartitionFold, records: Sequence[PlainRecord], position: int, batch: int
) -> Folded:
    """What the records alone came to."""
    fold.fold(records)
    return fold.cut(position, batch)


def touched(fold: PartitionFold, position: int) -> Slice | None:
    """The slice of a partition at rest, if there is one."""
    slices = fold.cut(position, 9).slices
    return slices[0] if slices else None
