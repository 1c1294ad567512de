"""Compares the dead-letter topic with the records that the fold has rejected."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from milepost_auditor.differences import Difference, Findings
from milepost_auditor.partition_fold import Rejection
from milepost_auditor.topic_reader import Record
from milepost_schemas.dead_letter import NotADeadLetterError, split_headers

Headers = tuple[tuple[str, bytes | None], ...]


class Letter(NamedTuple):
    """A dead letter, with a digest for its value; the headers are the record's own."""

    reason: str
    key: bytes | None
    digest: str
    headers: Headers


class DeadLetters(NamedTuple):
    """Dead letters of one partition of the log, by source offset."""

    letters: Mapping[int, Letter]
    complete_since_ms: int
    """Those of records that were appended before may have passed the topic's retention."""


class DeadLetterTopic:
    """All dead letters of a log, by source position."""

    def __init__(self, source_topic: str) -> None:
        self._source_topic = source_topic
        self._letters: dict[int, dict[int, Letter]] = {}
        self._complete_since_ms = 0

    def take(self, records: Iterable[Record]) -> None:
        """Take in some of the topic's records; others than this log's are left out."""
        for record in records:
            try:
                headers, facts = split_headers(record.headers() or ())
            except NotADeadLetterError:
                continue
            if facts.source_topic == self._source_topic:
                letters = self._letters.setdefault(facts.source_partition, {})
                digest = facts.digest.sha256 if facts.digest else _digest(record.value())
                letters[facts.source_offset] = Letter(
                    facts.reason, record.key(), digest, tuple(headers)
                )

    def lacks_before(self, oldest_ms: int) -> None:
        """Take in that dead letters from before a time are gone."""
        self._complete_since_ms = max(self._complete_since_ms, oldest_ms)

    def below(self, partition: int, offset: int) -> DeadLetters:
        """Those of a partition's records below an offset."""
        letters = self._letters.get(partition, {})
        return DeadLetters(
            {at: letter for at, letter in letters.items() if at < offset}, self._complete_since_ms
        )


def compare_dead_letters(
    number: int, dead_letters: DeadLetters, rejections: Iterable[Rejection], findings: Findings
) -> None:
    """Every rejected record has to be a dead letter, with its bytes and the reason.

    A dead letter of a record that is accepted is counted, no more: after a change of what is
    valid, the old ones stay until they expire.
    """
    rejected: set[int] = set()
    for rejection in rejections:
        record = rejection.record
        offset = record.offset()
        rejected.add(offset)
        letter = dead_letters.letters.get(offset)
        if letter is None and record.timestamp()[1] < dead_letters.complete_since_ms:
            findings.compare("dead_letters_expired")
            continue
        findings.compare("dead_letters")
        detail = "missing" if letter is None else _difference(letter, rejection)
        if detail is not None:
            name = (record.key() or b"").decode(errors="backslashreplace")
            detail = f"{rejection.reason}: {detail}"
            findings.add(Difference("dead_letter", number, name, offset, detail))
    accepted = [offset for offset in dead_letters.letters if offset not in rejected]
    findings.compare("dead_letters_of_accepted_records", len(accepted))


def _difference(letter: Letter, rejection: Rejection) -> str | None:
    record = rejection.record
    if letter.reason != rejection.reason:
        return f"the dead letter says {letter.reason}"
    if letter.key != record.key():
        return "the dead letter has another key"
    if letter.digest != _digest(record.value()):
        return "the dead letter has another value"
    if letter.headers != tuple(record.headers() or ()):
        return "the dead letter has other headers than the record"
    return None


def _digest(value: bytes | None) -> str:
    return "-" if value is None else sha256(value).hexdigest()
