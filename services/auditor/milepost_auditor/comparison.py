"""Compares what Redis holds of one partition with the fold, slice by slice.

A slice is judged at the checkpoint that it was read with: the fold is brought there first. So a
projector may go on writing meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from milepost_auditor.differences import Difference, Findings, Kind, describe
from milepost_auditor.indexes import Indexes
from milepost_auditor.partition_fold import PartitionFold
from milepost_auditor.read_model import Answer, Command, RedisReadModel, Slice, refusal
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import PartitionKeys
from milepost_schemas.logs import encode_line

T = TypeVar("T")

SLICE_KEYS: Final = 500
"""Keys or members of one read, so that Redis is never busy with one for long."""
SLICE_LINES: Final = 2_000
LISTS: Final = SLICE_LINES // 200


class _Reading(NamedTuple):
    """How a kind of collection is read, and what Redis answers for what is not in it."""

    kind: Kind
    look_up: str
    size: str
    scan: str
    missing: int | None


_SORTED_SET: Final = _Reading("index", "ZMSCORE", "ZCARD", "ZSCAN", None)
_SET: Final = _Reading("open_files", "SMISMEMBER", "SCARD", "SSCAN", 0)
_HASH: Final = _Reading("counter", "HMGET", "HLEN", "HSCAN", None)


class _Collection(NamedTuple):
    """One collection: what is to be in it now, and which offset explains a member."""

    reading: _Reading
    key: str
    expected: Callable[[], Mapping[bytes, bytes | float]]
    explain: Callable[[bytes], int | None]


class FoldedPartition(NamedTuple):
    """What the log says of a partition; the indexes follow the fold."""

    number: int
    keys: PartitionKeys
    fold: PartitionFold
    indexes: Indexes


class Comparison:
    """One partition's comparison; adds what it finds to the findings.

    Args:
        partition: What has to be.
        read_model: What is.
        follow: Brings the fold to a checkpoint that a slice was read with.
        findings: Where differences go.
    """

    def __init__(
        self,
        partition: FoldedPartition,
        read_model: RedisReadModel,
        follow: Callable[[Checkpoint], None],
        findings: Findings,
    ) -> None:
        self._number, self._keys, self._fold, self._indexes = partition
        self._read_model = read_model
        self._follow = follow
        self._findings = findings

    def documents(self) -> None:
        """Every document, byte for byte."""
        for names in chunks([*self._fold.files], SLICE_KEYS):
            keys = [self._keys.file(name.decode()) for name in names]
            values = self._judged(self._read_model.values(self._keys, keys))
            for name, value in zip(names, values, strict=True):
                detail = describe(self._fold.files[name].document, value)
                if detail is not None:
                    self._add("document", name.decode(), self._fold.files[name].offset, detail)
            self._findings.compare("documents", len(names))

    def log_lines(self) -> None:
        """Every file's log lines, in their order."""
        for names in chunks([name for name in self._fold.files if self._has_lines(name)], LISTS):
            commands: list[Command] = [
                ("LRANGE", self._keys.log(name.decode()), 0, -1) for name in names
            ]
            for name, found in zip(names, self._answers(commands), strict=True):
                self._compare_lines(name, found)

    def indexes(self) -> None:
        """Every index, member by member with its score."""
        for key in [*self._indexes.sets]:
            self._compare(self._index(key))

    def open_files(self) -> None:
        """The set of files whose attempt has not ended."""
        self._compare(
            _Collection(
                _SET,
                self._keys.open_files,
                lambda: dict.fromkeys(self._indexes.open_files, 1),
                self._offset,
            )
        )

    def counters(self) -> None:
        """Every counter of every organization."""
        for key in [*self._indexes.counts]:
            self._compare(self._counts(key))

    def _index(self, key: str) -> _Collection:
        store = key.removeprefix(f"{self._keys.tag}i:").split("/")[1].encode()
        return _Collection(
            _SORTED_SET,
            key,
            lambda: self._indexes.sets[key],
            lambda file_id: self._offset(store + b"/" + file_id),
        )

    def _counts(self, key: str) -> _Collection:
        counts = self._indexes.counts[key]
        return _Collection(
            _HASH,
            key,
            lambda: {field: b"%d" % count for field, count in counts.items()},
            lambda field: self._indexes.newest_offset(key, field),
        )

    def unexpected_keys(self, names: Iterable[bytes]) -> None:
        """Keys of the partition that were found in Redis and have no reason to be there."""
        unknown = (name for name in names if not self._expects(name))
        for some in chunks(unknown, SLICE_KEYS):
            answers = self._answers([("EXISTS", name) for name in some])
            for name, exists in zip(some, answers, strict=True):
                if exists and not self._expects(name):
                    offset = self._offset(self._file_of(name))
                    text = name.decode(errors="backslashreplace")
                    self._add("unexpected_key", text, offset, "no such key belongs here")

    def _compare_lines(self, name: bytes, found: Answer) -> None:
        file = self._fold.files[name]
        expected = [encode_line(line) for line in file.lines or ()] if self._has_lines(name) else []
        self._findings.compare("log_lines", len(expected))
        if found == expected:
            return
        detail = refusal(found) or f"{len(found)} lines, not these {len(expected)}"
        self._add("log_lines", name.decode(), file.offset, detail)

    def _compare(self, collection: _Collection) -> None:
        """Look every expected member up, then those that there are too many."""
        has_others = False
        for members in chunks([*collection.expected()], SLICE_KEYS):
            has_others = self._compare_members(collection, members)
            self._findings.compare(f"{collection.reading.kind}_entries", len(members))
        if has_others:
            known = collection.expected()
            scanned = self._read_model.members(collection.reading.scan, collection.key)
            for members in chunks((each for each in scanned if each not in known), SLICE_KEYS):
                self._compare_members(collection, members)

    def _compare_members(self, collection: _Collection, members: Sequence[bytes]) -> bool:
        """Compare some members; whether the collection has others than expected."""
        reading, key, expected, explain = collection
        found, size = self._answers([(reading.look_up, key, *members), (reading.size, key)])
        if (refused := refusal(found)) is not None:
            self._add(reading.kind, key, explain(members[0]), refused)
            return False
        now = expected()
        for member, is_ in zip(members, found, strict=True):
            wanted = now.get(member, reading.missing)
            if is_ != wanted:
                text = member.decode(errors="backslashreplace")
                detail = f"{text}: {_shown(is_)}, not {_shown(wanted)}"
                self._add(reading.kind, key, explain(member), detail)
        return bool(size != len(now))

    def _answers(self, commands: Sequence[Command]) -> Sequence[Answer]:
        return self._judged(self._read_model.answers(self._keys, commands))

    def _judged(self, slice_: Slice) -> Sequence[Answer]:
        self._follow(slice_.checkpoint)
        return slice_.answers

    def _has_lines(self, name: bytes) -> bool:
        file = self._fold.files[name]
        return bool(file.lines) and not file.document.is_deleted

    def _expects(self, key: bytes) -> bool:
        suffix = key.removeprefix(self._keys.tag.encode())
        if suffix in (b"c", b"p"):
            return True
        if suffix == b"o":
            return bool(self._indexes.open_files)
        name, text = suffix[2:], key.decode(errors="backslashreplace")
        if suffix.startswith(b"f:"):
            return name in self._fold.files
        if suffix.startswith(b"l:"):
            return name in self._fold.files and self._has_lines(name)
        return bool(self._indexes.sets.get(text) or self._indexes.counts.get(text))

    def _file_of(self, key: bytes) -> bytes:
        return key.removeprefix(self._keys.tag.encode())[2:]

    def _offset(self, name: bytes) -> int | None:
        file = self._fold.files.get(name)
        return None if file is None else file.offset

    def _add(self, kind: Kind, name: str, offset: int | None, detail: str) -> None:
        self._findings.add(Difference(kind, self._number, name, offset, detail))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most that size."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _shown(value: bytes | float | None) -> str:
    if value is None:
        return "missing"
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else f"{value:g}"
