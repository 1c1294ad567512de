"""Differences: what is not as the log says, and the offset of the event that explains it."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from milepost_schemas.document import Document
from milepost_schemas.record import decode_record, encode_record

Kind = Literal[
    "checkpoint",
    "published",
    "document",
    "log_lines",
    "index",
    "open_files",
    "counter",
    "unexpected_key",
    "status_record",
    "dead_letter",
]

MAX_DIFFERENCES: Final = 1_000
"""Differences of a partition that are kept; the rest is only counted."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    kind: Kind
    partition: int
    name: str
    """The file, the Redis key, or the member of an index that differs."""
    offset: int | None
    """Of the newest event that made it what it should be; None where no event did."""
    detail: str


class Findings(msgspec.Struct):
    """What was compared in a partition, and what differs."""

    compared: dict[str, int] = {}
    differences: list[Difference] = []
    count: int = 0
    """All differences, those that are not kept included."""

    def compare(self, what: str, number: int = 1) -> None:
        """Count things that were compared."""
        self.compared[what] = self.compared.get(what, 0) + number

    def add(self, difference: Difference) -> None:
        self.count += 1
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(difference)


def describe(expected: Document, stored: bytes | None) -> str | None:
    """How the stored value of a document differs, None if it does not."""
    wanted = encode_record(expected)
    if stored == wanted:
        return None
    if stored is None:
        return "missing"
    try:
        found = decode_record(stored)
    except (msgspec.DecodeError, IndexError, UnicodeDecodeError):
        return "not a document"
    fields = changed_fields(found, expected)
    if not fields:
        return "the rendered status or the head differs from the document"
    return ", ".join(f"{name} {was!r}, not {is_!r}" for name, (was, is_) in fields.items())


def changed_fields(before: Document, after: Document) -> Mapping[str, tuple[Any, Any]]:
    """The fields in which two documents differ, with both values."""
    names = Document.__struct_fields__
    return {
        name: (getattr(before, name), getattr(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    }
