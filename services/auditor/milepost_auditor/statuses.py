"""Compares the status topic with the fold: the newest record of each file's key.

The topic has to be complete up to the published position, and may be ahead of it. A record that is
ahead is compared when the fold comes to the event that made it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from milepost_auditor.differences import Difference, Findings
from milepost_auditor.partition_fold import FoldedFile, PartitionFold
from milepost_auditor.topic_reader import Record
from milepost_schemas.status_record import (
    GENERATION_HEADER,
    decode_status,
    encode_status,
    status_headers,
)

_UNDECODABLE: Final = -1


class StatusComparison:
    """The newest records of one partition, judged while the fold goes on."""

    def __init__(
        self, number: int, generation: int, records: Iterable[Record], findings: Findings
    ) -> None:
        self.ahead: dict[int, Record] = {}
        """Records that are to be judged when the fold has passed the event at that offset."""
        self._number = number
        self._generation = generation
        self._findings = findings
        self._newest = {record.key() or b"": record for record in records}

    def judge(self, fold: PartitionFold, published: int) -> None:
        """Judge all that has to be there when the fold is at the published position."""
        for name, file in fold.files.items():
            record = self._newest.pop(name, None)
            self._findings.compare("statuses")
            if record is None:
                self._add(name, file, "missing")
            elif not self._is_equal(record, file) and not self._put_off(record, published):
                self._add(name, file, self._described(record, file))
        for name, record in self._newest.items():
            if not self._put_off(record, published):
                self._add(name, None, "the log knows no such file at the published position")
        self._newest.clear()

    def judge_ahead(self, offset: int, fold: PartitionFold) -> None:
        """Judge the record that the event at an offset made, right after it was folded."""
        record = self.ahead.pop(offset, None)
        # A record of an earlier generation is replaced when the publication comes to its file.
        if record is None or self._generation_of(record) < self._generation:
            return
        name = record.key() or b""
        file = fold.files.get(name)
        self._findings.compare("statuses")
        if file is None:
            self._add(name, None, "the log knows no such file")
        elif not self._is_equal(record, file):
            self._add(name, file, self._described(record, file))

    def judge_unreached(self, end: int) -> None:
        """Whatever is ahead of the end of the log was made by no event."""
        for offset in [offset for offset in self.ahead if offset >= end]:
            name = self.ahead.pop(offset).key() or b""
            self._add(name, None, f"made by an event at {offset}, but the log ends at {end}")

    def _put_off(self, record: Record, published: int) -> bool:
        made_by = _made_by(record)
        if made_by < published:
            return False
        self.ahead[made_by] = record
        return True

    def _is_equal(self, record: Record, file: FoldedFile) -> bool:
        wanted = status_headers(file.document, self._generation)
        return (
            record.value() == encode_status(file.document)
            and dict(wanted).items() <= dict(record.headers() or ()).items()
        )

    def _described(self, record: Record, file: FoldedFile) -> str:
        value = record.value()
        if value != encode_status(file.document):
            made_by = _made_by(record)
            if made_by == _UNDECODABLE:
                return "not a status record"
            if made_by == file.document.offset:
                return "the value differs"
            return f"made by the event at {made_by}, not by the one at {file.document.offset}"
        if self._generation_of(record) != self._generation:
            return f"of generation {self._generation_of(record)}, not {self._generation}"
        return "the headers differ"

    def _generation_of(self, record: Record) -> int:
        text = dict(record.headers() or ()).get(GENERATION_HEADER) or b""
        return int(text) if text.isdigit() else _UNDECODABLE

    def _add(self, name: bytes, file: FoldedFile | None, detail: str) -> None:
        text = name.decode(errors="backslashreplace")
        offset = None if file is None else file.document.offset
        self._findings.add(Difference("status_record", self._number, text, offset, detail))


def _made_by(record: Record) -> int:
    """The offset of the event that made the record's revision."""
    try:
        return decode_status(record.value() or b"").offset
    except msgspec.DecodeError:
        return _UNDECODABLE
