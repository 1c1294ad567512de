"""The headers of a dead letter: those of the record as they were, then why and from where.

The facts begin at the last `milepost-reason`. Everything in front of it belongs to the record,
whatever it is called.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from milepost_schemas.times import format_ms, parse_time_ms

REASON: Final = "milepost-reason"
DETAIL: Final = "milepost-detail"
SOURCE_TOPIC: Final = "milepost-source-topic"
SOURCE_PARTITION: Final = "milepost-source-partition"
SOURCE_OFFSET: Final = "milepost-source-offset"
PROJECTOR_VERSION: Final = "milepost-projector-version"
FAILED_AT: Final = "milepost-failed-at"
VALUE_BYTES: Final = "milepost-value-bytes"
VALUE_SHA256: Final = "milepost-value-sha256"

Headers = Sequence[tuple[str, bytes | None]]


class NotADeadLetterError(Exception):
    """A record of the dead-letter topic lacks the facts, or they cannot be read."""


class ValueDigest(NamedTuple):
    """Names a value that is too large for the dead-letter topic."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, value: bytes) -> "ValueDigest":
        return cls(len(value), sha256(value).hexdigest())


class DeadLetterFacts(NamedTuple):
    """Why a record cannot be applied, and where it stands in the log."""

    reason: str
    """An `InvalidReason`; a newer projector may have more of them."""
    detail: str
    source_topic: str
    source_partition: int
    source_offset: int
    projector_version: str
    failed_at_ms: int
    digest: ValueDigest | None = None
    """Given where the dead letter has no value although the record had one."""


def fact_headers(facts: DeadLetterFacts) -> list[tuple[str, bytes]]:
    """The headers to put behind those of the record."""
    texts = {
        REASON: facts.reason,
        DETAIL: facts.detail,
        SOURCE_TOPIC: facts.source_topic,
        SOURCE_PARTITION: str(facts.source_partition),
        SOURCE_OFFSET: str(facts.source_offset),
        PROJECTOR_VERSION: facts.projector_version,
        FAILED_AT: format_ms(facts.failed_at_ms),
    }
    if facts.digest is not None:
        texts |= {VALUE_BYTES: str(facts.digest.size_bytes), VALUE_SHA256: facts.digest.sha256}
    return [(name, text.encode()) for name, text in texts.items()]


def split_headers(headers: Headers) -> tuple[Headers, DeadLetterFacts]:
    """The headers of the record, and the facts behind them.

    Raises:
        NotADeadLetterError: there are no facts.
    """
    starts = [index for index, (name, _) in enumerate(headers) if name == REASON]
    if not starts:
        raise NotADeadLetterError(f"no {REASON}")
    try:
        texts = {name: (text or b"").decode() for name, text in headers[starts[-1] :]}
        return headers[: starts[-1]], _facts(texts)
    except (KeyError, ValueError) as error:
        raise NotADeadLetterError(f"unreadable facts: {error}") from error


def _facts(texts: dict[str, str]) -> DeadLetterFacts:
    has_digest = VALUE_SHA256 in texts
    return DeadLetterFacts(
        reason=texts[REASON],
        detail=texts[DETAIL],
        source_topic=texts[SOURCE_TOPIC],
        source_partition=int(texts[SOURCE_PARTITION]),
        source_offset=int(texts[SOURCE_OFFSET]),
        projector_version=texts[PROJECTOR_VERSION],
        failed_at_ms=parse_time_ms(texts[FAILED_AT]),
        digest=ValueDigest(int(texts[VALUE_BYTES]), texts[VALUE_SHA256]) if has_digest else None,
    )
