"""What the read model's indexes and counters have to say of the files of a partition."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from milepost_auditor.partition_fold import FoldedFile
from milepost_schemas.document import Document
from milepost_schemas.keys import PartitionKeys

NO_OFFSET: Final = -1


class Entry(NamedTuple):
    """What the indexes say of a file."""

    organization_id: str
    store_id: str
    file_id: str
    status: str
    size_bytes: int
    created_at: int
    is_open: bool


class Indexes:
    """Kept equal to the files that they were told of; `update` may be repeated.

    Members and fields are bytes, as Redis answers them.
    """

    def __init__(self, keys: PartitionKeys) -> None:
        self.sets: dict[str, dict[bytes, float]] = defaultdict(dict)
        """Files by creation time, for each index by its name."""
        self.open_files: set[bytes] = set()
        self.counts: dict[str, dict[bytes, int]] = defaultdict(dict)
        """Counts that are not 0, for each organization's hash by its name."""
        self._keys = keys
        self._entries: dict[bytes, Entry] = {}
        self._newest: dict[tuple[str, str], int] = {}

    def update(self, name: bytes, file: FoldedFile) -> None:
        """Take in what has become of a file."""
        document = file.document
        before, after = self._entries.get(name), _entry(document)
        store = self._keys.usage(document.organization_id), document.store_id
        self._newest[store] = max(self._newest.get(store, NO_OFFSET), file.offset)
        if before == after:
            return
        if before is not None:
            self._remove(name, before)
        if after is not None:
            self._add(name, after)

    def newest_offset(self, usage_key: str, field: bytes) -> int | None:
        """Of the newest event that changed a file that a counter counts."""
        store = field.decode(errors="replace").rpartition("/")[0]
        return self._newest.get((usage_key, store))

    def names(self) -> Iterator[str]:
        """The keys of all indexes and counters that have to exist."""
        yield from (name for name, members in self.sets.items() if members)
        yield from (name for name, fields in self.counts.items() if fields)
        if self.open_files:
            yield self._keys.open_files

    def _add(self, name: bytes, entry: Entry) -> None:
        self._entries[name] = entry
        for key in self._set_keys(entry):
            self.sets[key][entry.file_id.encode()] = float(entry.created_at)
        if entry.is_open:
            self.open_files.add(name)
        self._count(entry, 1)

    def _remove(self, name: bytes, entry: Entry) -> None:
        del self._entries[name]
        for key in self._set_keys(entry):
            del self.sets[key][entry.file_id.encode()]
        self.open_files.discard(name)
        self._count(entry, -1)

    def _set_keys(self, entry: Entry) -> tuple[str, str]:
        owner, store = entry.organization_id, entry.store_id
        return self._keys.files(owner, store), f"{self._keys.files(owner, store)}/{entry.status}"

    def _count(self, entry: Entry, sign: int) -> None:
        counts = self.counts[self._keys.usage(entry.organization_id)]
        for what, amount in (("files", 1), ("bytes", entry.size_bytes), (entry.status, 1)):
            field = f"{entry.store_id}/{what}".encode()
            total = counts.get(field, 0) + sign * amount
            if total:
                counts[field] = total
            else:
                counts.pop(field, None)


def _entry(document: Document) -> Entry | None:
    if document.is_deleted:
        return None
    return Entry(
        document.organization_id,
        document.store_id,
        document.file_id,
        document.status,
        document.size_bytes or 0,
        document.created_at,
        not document.is_terminal,
    )
