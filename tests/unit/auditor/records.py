"""Records as the auditor reads them, made without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

from milepost_auditor.partition_fold import PartitionFold
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, EventData, StepProgressed
from milepost_schemas.topics import PARTITIONS, partition_of

KEY = b"vs_1/file_1"
NUMBER = partition_of(KEY, PARTITIONS)


@dataclass(frozen=True)
class Given:
    """A record with the given parts."""

    at: int
    encoded: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]
    appended_ms: int = 1_750_000_000_000

    def __len__(self) -> int:
        # As librdkafka's records have it, which makes those without bytes in their value false.
        return len(self.encoded[1] or b"")

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 2, self.appended_ms

    def key(self) -> bytes | None:
        return self.encoded[0]

    def value(self) -> bytes | None:
        return self.encoded[1]

    def headers(self) -> Sequence[tuple[str, bytes | None]] | None:
        # As librdkafka has it: none are not an empty list.
        return self.encoded[2] or None


def event(at: int, fact: EventData, *, appended_ms: int = 1_750_000_000_000) -> Given:
    """The record of a fact."""
    return Given(at, encode(Event(f"id-{at}", "/tests", None, fact)), appended_ms)


def progressed(at: int, percent: int, *, organization_id: str = "org_1") -> Given:
    """The record of a percentage of the one file."""
    return event(
        at,
        StepProgressed(
            organization_id=organization_id,
            store_id="vs_1",
            file_id="file_1",
            attempt=1,
            step="reading",
            progress_percent=percent,
        ),
    )


def poison(at: int, *, appended_ms: int = 1_750_000_000_000) -> Given:
    """A record that can never be applied."""
    encoded = EncodedRecord(KEY, b"no JSON", [("ce_type", b"milepost.step.started.v1")])
    return Given(at, encoded, appended_ms)


def folded(*records: Given) -> PartitionFold:
    """The fold of some records of the file's partition."""
    fold = PartitionFold(NUMBER, PARTITIONS)
    fold.fold(records)
    return fold
