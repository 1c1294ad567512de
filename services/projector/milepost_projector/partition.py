"""One partition's part of the projection: records in, slices and dead letters out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from confluent_kafka import murmur2

from milepost.consumer import Record
from milepost_projector.freshness import Freshness
from milepost_projector.slices import Command, Slice, SliceWriter, Slot, indexed
from milepost_schemas.checkpoint import Checkpoint, fingerprint
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
from milepost_schemas.keys import PartitionKeys
from milepost_schemas.logs import log_line

STRIDE: Final = 64
"""Records between two looks at the weight of the slice."""

SLICE_WEIGHT: Final = 6 * STRIDE
"""Files and log lines after which a slice is closed: about 3 ms of Redis time."""


class Partition(NamedTuple):
    """A partition of the read model in one generation."""

    number: int
    generation: int
    keys: PartitionKeys
    is_live: bool = True
    """Whether anybody is to be told of its changes."""
    log_id: str = ""
    """The log that it was opened on: records of no other may be written to it."""


@dataclass(frozen=True)
class Rejected:
    """A record that can never be applied, and why."""

    record: Record
    partition: int
    error: InvalidRecordError


@dataclass
class Folded:
    """What a batch came to in one partition."""

    slices: list[Slice] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    revised: dict[bytes, bytes] = field(default_factory=dict)
    """Values of the files with a new revision, for the status topic."""
    touched: dict[bytes, Slot] = field(default_factory=dict)
    """The files that changed, as they are in memory."""
    appended_ms: int | None = None
    """When the broker appended the last record; None without records."""
    outcomes: Counter[str] = field(default_factory=Counter)


class PartitionFold:
    """The documents of one partition in memory, at the fold's position.

    Everything here is thrown away and read again when a write turns out to be lost.
    """

    def __init__(self, partition: Partition, partitions: int, checkpoint: Checkpoint) -> None:
        self.number = partition.number
        self.generation = partition.generation
        self.keys = partition.keys
        self.checkpoint = checkpoint
        """What the newest slice leaves behind; how far the fold is."""
        self.log_id = partition.log_id
        self._possible = [checkpoint.encode()]
        self.freshness = Freshness(self.checkpoint.as_of_ms)
        self._partitions = partitions
        self._slots: dict[bytes | None, Slot] = {}
        self._is_live = partition.is_live
        self._writer = SliceWriter(partition.keys, is_live=partition.is_live)
        self._folded = Folded()
        self._touched: dict[bytes, Slot] = {}
        self._last: Record | None = None

    def unknown(self, records: Iterable[Record]) -> list[bytes]:
        """The keys among the records whose documents are not in memory."""
        slots = self._slots
        return [*{key for record in records if (key := record.key) not in slots and key}]

    def know(self, documents: Mapping[bytes, Document]) -> None:
        """Keep documents that were read from the read model."""
        for key, document in documents.items():
            self._slots[key] = Slot(key, document, indexed(document), document.revision)

    def expects(self, stored: bytes) -> bool:
        """Whether a stored checkpoint is one that this fold's own writes can have left."""
        return stored in self._possible

    def acknowledge(self, written: bytes) -> None:
        """Take in that the slice with this checkpoint, and so all before it, were written."""
        del self._possible[: self._possible.index(written)]

    def forget(self, limit: int, written_batch: int) -> None:
        """Drop the documents that were needed least recently and are written, down to a limit.

        Call it right after a cut: what was folded since then is not marked with its batch yet.
        """
        surplus = len(self._slots) - limit
        if surplus <= 0:
            return
        idle = [key for key, slot in self._slots.items() if slot.batch <= written_batch]
        for key in idle[:surplus]:
            del self._slots[key]

    def fold(self, records: Sequence[Record]) -> None:
        """Fold records in offset order; `cut` says what they came to."""
        for start in range(0, len(records), STRIDE):
            stride = records[start : start + STRIDE]
            self._folded.outcomes.update(self._fold_stride(stride))
            self._last = stride[-1]
            if self._writer.weight >= SLICE_WEIGHT:
                self._close_slice(self._last, self._last.offset + 1)

    @property
    def gathered(self) -> int:
        """About how many files, log lines and dead letters a cut would come to."""
        slices, rejected = self._folded.slices, self._folded.rejected
        return len(slices) * SLICE_WEIGHT + self._writer.weight + len(rejected)

    def has_news(self, position: int) -> bool:
        """Whether a cut at this position can come to anything."""
        return (
            self._last is not None
            or self.freshness.has_news
            or position > self.checkpoint.next_offset
        )

    def cut(self, position: int, batch: int) -> Folded:
        """Everything since the last cut, to be written; the fold's position is then the given one.

        Without records it moves the checkpoint alone, if only its freshness has changed.
        """
        next_offset = max(position, self.checkpoint.next_offset)
        last, self._last = self._last, None
        if last is not None and self.checkpoint.next_offset < next_offset:
            self._close_slice(last, next_offset)
        elif (checkpoint := self._fresh(next_offset, self.checkpoint.fingerprint)) != (
            self.checkpoint
        ):
            self._append(checkpoint)
        for key in self._touched:
            slot = self._slots.pop(key)
            slot.batch = batch
            self._slots[key] = slot
        folded, self._folded = self._folded, Folded()
        folded.touched, self._touched = self._touched, {}
        folded.appended_ms = None if last is None else last.timestamp
        return folded

    def _fold_stride(self, records: Sequence[Record]) -> list[str]:
        outcomes: list[str] = []
        for record in records:
            try:
                outcomes.append(self._fold_one(record))
            except ForeignRecordError:
                outcomes.append("foreign")
            except InvalidRecordError as error:
                self._folded.rejected.append(Rejected(record, self.number, error))
                outcomes.append(error.reason)
        return outcomes

    def _fold_one(self, record: Record) -> str:
        event = decode_event(record.value, record.headers)
        data = event.data
        key = record.key
        slot = self._slots.get(key)
        if slot is None:
            slot = self._first_sight(key, event)
        document = slot.document
        if data.file_id != document.file_id or data.store_id != document.store_id:
            check_identity(data, key)
        outcome = fold(document, event, record.offset, record.timestamp)
        if outcome in _CHANGING:
            self._writer.changed[slot.key] = slot
            if outcome == "log_line":
                self._writer.line(slot.key, log_line(event, record.timestamp))
        elif outcome in _REJECTIONS:
            raise InvalidRecordError(*_REJECTIONS[outcome])
        if slot.is_new and document.revision:
            slot.is_new = False
            self._slots[slot.key] = slot
        return outcome

    def _first_sight(self, key: bytes | None, event: Event) -> Slot:
        """A slot for a file that the read model does not know."""
        data = event.data
        check_identity(data, key)
        key = file_key(data.store_id, data.file_id).encode()
        right = murmur2(key, self._partitions)
        if right != self.number:
            raise InvalidRecordError(
                "wrong_partition",
                f"the key belongs to partition {right}: set the producer's partitioner to murmur2 "
                "(librdkafka: partitioner=murmur2_random)",
            )
        return Slot(
            key, Document(data.organization_id, data.store_id, data.file_id), None, is_new=True
        )

    def _close_slice(self, last: Record, next_offset: int) -> None:
        self._touched.update(self._writer.changed)
        mark = fingerprint(last.offset, last.timestamp, last.key, last.value)
        self._append(self._fresh(next_offset, mark), *self._writer.close())
        self._folded.revised |= self._writer.revised
        self._writer = SliceWriter(self.keys, is_live=self._is_live)

    def _fresh(self, next_offset: int, mark: str) -> Checkpoint:
        freshness = self.freshness
        as_of_ms = freshness.as_of_ms(next_offset)
        recover_to = self.checkpoint.recover_to
        return Checkpoint(next_offset, as_of_ms, freshness.end_offset, recover_to, mark)

    def _append(
        self,
        checkpoint: Checkpoint,
        records: Sequence[bytes] = (),
        commands: Sequence[Command] = (),
    ) -> None:
        expected, written = self._possible[-1], checkpoint.encode()
        self._possible.append(written)
        self.checkpoint = checkpoint
        self._folded.slices.append(
            Slice(self.number, expected, written, checkpoint.next_offset, records, commands)
        )


_CHANGING: Final = frozenset({"applied", "sign_of_life", "log_line"})

_REJECTIONS: Final[dict[Outcome, tuple[InvalidReason, str]]] = {
    "wrong_organization": ("wrong_organization", "the file belongs to another organization"),
    "too_many_steps": ("too_many_steps", f"the attempt has {MAX_STEPS} steps already"),
}
