"""A slice: the part of a batch that one script call writes, with its checkpoint."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from milepost_schemas.document import Document, Status
from milepost_schemas.keys import PartitionKeys
from milepost_schemas.logs import LogLine, encode_line
from milepost_schemas.record import encode_record

Command = list[str | int]

_Set = tuple[str, str, Status | None]
"""An index: organization, store, and the status that it is limited to."""

MAX_ARGUMENTS: Final = 1_000
"""Arguments of one command: Lua's stack bounds what it can unpack."""


@dataclass(frozen=True)
class Slice:
    """Changes and the move of the checkpoint that belongs to them; both happen, or neither."""

    partition: int
    expected: bytes
    checkpoint: bytes
    next_offset: int
    records: Sequence[bytes] = ()
    """Names and values of file keys, in turn: binary, so not among the commands."""
    commands: Sequence[Command] = ()


class Indexed(NamedTuple):
    """What indexes and counters say of a file."""

    status: Status
    size_bytes: int


@dataclass(slots=True)
class Slot:
    """A document in memory, and what the read model's indexes say of it once all is written."""

    key: bytes
    document: Document
    indexed: Indexed | None
    revision: int = 0
    """The newest revision that was handed over to the status topic."""
    batch: int = 0
    """Number of the last batch that changed it."""
    is_new: bool = False
    """Whether the file was not known before its present event."""


def indexed(document: Document) -> Indexed | None:
    """What the indexes have to say of a document, None for an unknown or deleted file."""
    if not document.revision or document.is_deleted:
        return None
    return Indexed(document.status, document.size_bytes or 0)


class SliceWriter:
    """Collects the changed documents and log lines of one slice, and writes its commands."""

    def __init__(self, keys: PartitionKeys, *, is_live: bool = True) -> None:
        self.changed: dict[bytes, Slot] = {}
        """The files whose documents are to be written, as they are at the end of the slice."""
        self.revised: dict[bytes, bytes] = {}
        """The values of those that have a new revision; there once the slice is closed."""
        self._is_live = is_live
        self._keys = keys
        self._opened: list[str | int] = []
        self._ended: list[str | int] = []
        self._listed: dict[_Set, list[str | int]] = defaultdict(list)
        self._unlisted: dict[_Set, list[str | int]] = defaultdict(list)
        self._counts: dict[tuple[str, str, str], int] = defaultdict(int)
        self._lines: list[Command] = []

    @property
    def weight(self) -> int:
        """Files and log lines so far."""
        return len(self.changed) + len(self._lines)

    def line(self, key: bytes, line: LogLine) -> None:
        name = self._keys.log(key.decode())
        self._lines.append(["APPEND_LINE", name, line.identity, encode_line(line).decode()])

    def close(self) -> tuple[list[bytes], list[Command]]:
        """The records and the commands of the slice; call it once, at its end."""
        records = self._records()
        commands: list[Command] = []
        for name, files in (("SADD", self._opened), ("SREM", self._ended)):
            if files:
                commands += _split([name, self._keys.open_files], files)
        for name, members in (("ZADD", self._listed), ("ZREM", self._unlisted)):
            for of, rest in members.items():
                commands += _split([name, self._set_key(of)], rest)
        for (owner, store, what), delta in self._counts.items():
            if delta:
                # As text: Lua keeps no more than 53 bits of a number.
                commands.append(["COUNT", self._keys.usage(owner), f"{store}/{what}", str(delta)])
        commands += self._lines
        if self.changed and self._is_live:
            hint = b" ".join(self.changed).decode()
            commands.append(["SPUBLISH", self._keys.hints, hint])
        return records, commands

    def _records(self) -> list[bytes]:
        """Names and values of the files that changed; what else they change is brought along."""
        prefix = self._keys.file("").encode()
        records: list[bytes] = []
        for key, slot in self.changed.items():
            document = slot.document
            value = encode_record(document)
            records += (prefix + key, value)
            # A sign of life is stored, but makes no revision.
            if slot.revision != document.revision:
                slot.revision = document.revision
                self.revised[key] = value
            after = indexed(document)
            if after != slot.indexed or document.is_deleted:
                self._reindex(slot, after)
        return records

    def _reindex(self, slot: Slot, after: Indexed | None) -> None:
        """Bring indexes and counters from what they say of the file to what they have to say."""
        document, before = slot.document, slot.indexed
        slot.indexed = after
        name = slot.key.decode()
        if document.is_deleted or document.is_terminal:
            self._ended.append(name)
        else:
            self._opened.append(name)
        if document.is_deleted:
            self._lines.append(["DEL", self._keys.log(name)])
        if before is not None:
            self._unlist(document, before, None if after is None else after.status)
        if after is not None:
            self._list(document, after, None if before is None else before.status)

    def _list(self, document: Document, after: Indexed, before: Status | None) -> None:
        owner, store, file_id = document.organization_id, document.store_id, document.file_id
        if before is None:
            self._listed[owner, store, None] += (document.created_at, file_id)
        if before != after.status:
            self._listed[owner, store, after.status] += (document.created_at, file_id)
        self._count(document, after, 1)

    def _unlist(self, document: Document, before: Indexed, after: Status | None) -> None:
        owner, store, file_id = document.organization_id, document.store_id, document.file_id
        if after is None:
            self._unlisted[owner, store, None].append(file_id)
        if after != before.status:
            self._unlisted[owner, store, before.status].append(file_id)
        self._count(document, before, -1)

    def _count(self, document: Document, file: Indexed, sign: int) -> None:
        owner, store = document.organization_id, document.store_id
        self._counts[owner, store, "files"] += sign
        self._counts[owner, store, "bytes"] += sign * file.size_bytes
        self._counts[owner, store, file.status] += sign

    def _set_key(self, of: _Set) -> str:
        owner, store, status = of
        if status is None:
            return self._keys.files(owner, store)
        return self._keys.files_by_status(owner, store, status)


def _split(head: Command, rest: Command) -> list[Command]:
    return [
        head + rest[start : start + MAX_ARGUMENTS] for start in range(0, len(rest), MAX_ARGUMENTS)
    ]
