"""Where to go on in a partition, decided from what Redis and Kafka say of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from milepost.consumer import Record
from milepost_schemas.checkpoint import Checkpoint, fingerprint


class WrongLogError(Exception):
    """The read model was built from another log than the one that Kafka has now.

    Going on would mix two histories, so the partition stays closed until a person decides.
    """


@dataclass(frozen=True)
class LogBounds:
    """What Kafka says of a partition."""

    beginning: int
    end: int
    committed: int | None
    """The group's committed offset: how far the read model once was."""


@dataclass(frozen=True)
class Opening:
    """The checkpoint to go on from, and how many records retention took away unread."""

    checkpoint: Checkpoint
    missing: int = 0


def newest_generation(notes: Iterable[str]) -> int:
    """The newest generation that the group's members have committed offsets of, 0 for none."""
    return max((int(note) for note in notes if note.isdecimal()), default=0)


def decide(stored: Checkpoint | None, log: LogBounds) -> Opening:
    """The opening of a partition.

    Raises:
        WrongLogError: the checkpoint or the committed offset lies beyond the end of the log.
    """
    committed = log.committed or 0
    known = stored or Checkpoint(0)
    for name, offset in (("checkpoint", known.next_offset), ("committed offset", committed)):
        if offset > log.end:
            raise WrongLogError(f"the {name} {offset} lies beyond the end of the log, {log.end}")
    next_offset = max(known.next_offset, log.beginning)
    recover_to = committed if committed > next_offset else known.recover_to
    return Opening(
        known._replace(next_offset=next_offset, recover_to=recover_to),
        missing=next_offset - known.next_offset,
    )


def marked_offset(checkpoint: Checkpoint) -> int | None:
    """The offset of the record that the checkpoint is marked with, None before the first."""
    offset, _, digest = checkpoint.fingerprint.partition(":")
    return int(offset) if digest else None


def verify(checkpoint: Checkpoint, record: Record | None) -> None:
    """Compare the checkpoint's mark with the log's record at the marked offset.

    Raises:
        WrongLogError: they differ, or the log has no such record.
    """
    found = record and fingerprint(record.offset, record.timestamp, record.key, record.value)
    if found != checkpoint.fingerprint:
        raise WrongLogError(
            f"the log has another record at offset {marked_offset(checkpoint)} than was applied"
        )
