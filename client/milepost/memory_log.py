"""An event log and its read model in memory."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from milepost.change import Change
from milepost.outbox import Position, Record
from milepost_schemas.codec import decode
from milepost_schemas.document import Document, render_status
from milepost_schemas.events import Event, LogRecorded
from milepost_schemas.fold import apply
from milepost_schemas.http import ProcessingStatus
from milepost_schemas.identity import file_key
from milepost_schemas.logs import LogLine, append_line, log_line
from milepost_schemas.status_record import decode_status, encode_status
from milepost_schemas.topics import EVENTS, PARTITIONS, STATUS, partition_of


class MemoryLog:
    """A log and its read model in memory: checks and folds every event as the real ones do."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.events: list[Event] = []
        """All events, oldest first; one that was published twice is here twice."""
        self.changes: list[Change] = []
        """What a subscriber is told, oldest first."""
        self._clock = clock
        self._told: dict[int, int] = defaultdict(int)
        self._watchers: list[Callable[[], object]] = []
        self._next_offsets: dict[int, int] = defaultdict(int)
        self._documents: dict[str, Document | None] = {}
        self._lines: dict[str, list[LogLine]] = defaultdict(list)

    async def publish(self, record: Record, topic: str = EVENTS.name) -> Position:
        """Append the event of a record.

        Raises:
            InvalidRecordError: a projector would not take the record.
        """
        key, value, headers = record
        event = decode(key, value, [(name, text or b"") for name, text in headers])
        partition = partition_of(key or b"", PARTITIONS)
        position = Position(topic, partition, self._next_offsets[partition])
        self._next_offsets[partition] += 1
        self.events.append(event)
        self._fold(event, position)
        return position

    @contextmanager
    def watched(self, watcher: Callable[[], object]) -> Iterator[None]:
        """Call the watcher after each further change, in the thread of whoever publishes it."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def document(self, *, store_id: str, file_id: str) -> Document | None:
        """The fold of the file's events; None when there are none or the file was deleted."""
        document = self._documents.get(file_key(store_id, file_id))
        return None if document is None or document.is_deleted else document

    def documents(self, *, organization_id: str) -> list[Document]:
        """The documents of an organization's files, without those of deleted ones."""
        present = (document for document in list(self._documents.values()) if document is not None)
        return [
            document
            for document in present
            if document.organization_id == organization_id and not document.is_deleted
        ]

    def status(self, *, store_id: str, file_id: str) -> ProcessingStatus | None:
        """What a status request is answered; None for a file that is not there."""
        document = self.document(store_id=store_id, file_id=file_id)
        if document is None:
            return None
        return ProcessingStatus.model_validate_json(render_status(document))

    def log_lines(self, *, store_id: str, file_id: str) -> list[LogLine]:
        """The file's processing log, oldest line first."""
        return list(self._lines[file_key(store_id, file_id)])

    def _fold(self, event: Event, position: Position) -> None:
        appended_ms = round(self._clock() * 1000)
        key = file_key(event.data.store_id, event.data.file_id)
        before = self._documents.get(key)
        after = apply(before, event, position.offset, appended_ms)
        self._documents[key] = after
        if isinstance(event.data, LogRecorded):
            append_line(self._lines[key], log_line(event, appended_ms))
        if after is not None and after.revision > (before.revision if before else 0):
            self._tell(after, position.partition)

    def _tell(self, document: Document, partition: int) -> None:
        position = Position(STATUS.name, partition, self._told[partition])
        self._told[partition] += 1
        status = decode_status(encode_status(document))
        self.changes.append(Change(status, 1, document.revision, position))
        for watcher in self._watchers:
            watcher()
