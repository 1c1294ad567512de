"""The whole verification: positions first, then everything below them."""

import re
import time
from typing import Final, NamedTuple

from milepost_auditor.dead_letters import DeadLetterTopic
from milepost_auditor.differences import Difference
from milepost_auditor.errors import NotCaughtUpError, NotComparableError
from milepost_auditor.partition_audit import Job
from milepost_auditor.read_model import Positions, RedisReadModel
from milepost_auditor.report import Report
from milepost_auditor.targets import Target
from milepost_auditor.topic_reader import TopicReader, count_partitions, written_ends
from milepost_auditor.workers import OnProgress, audit_partitions
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.meta import Meta

POLL_S: Final = 0.1

_GENERAL: Final = ("meta", "rebuild")
"""What follows the prefix in keys that belong to no partition."""


class Wanted(NamedTuple):
    """How to verify."""

    processes: int | None = None
    """Worker processes; None: as many as are worth while."""
    caught_up_within_s: float | None = None
    """How long to wait until all of the log, as it ends now, is applied and published."""


def verify(target: Target, wanted: Wanted, on_progress: OnProgress) -> Report:
    """Fold the log up to the checkpoints and compare all that was made of it.

    Args:
        target: What to audit.
        wanted: How.
        on_progress: Called now and then with the records folded so far, and all of them.

    Raises:
        MilepostError: nothing can be said.
    """
    with RedisReadModel(target.redis_url, target.prefix) as read_model:
        meta = read_model.meta()
        _check_comparable(target, meta)
        positions = _positions(target, read_model, meta, wanted.caught_up_within_s)
        # In this order: a record is a dead letter before the checkpoint passes it.
        letters = _dead_letters(target)
        ends = written_ends(target.kafka, target.names.status_topic, meta.partitions)
        names, misplaced = _names(read_model, meta)
        jobs = [
            Job(
                target,
                meta,
                number,
                at,
                ends[number],
                letters.below(number, at.checkpoint.next_offset),
                names[number],
            )
            for number, at in positions.items()
        ]
        reports = audit_partitions(jobs, wanted.processes, on_progress)
        if read_model.meta().generation != meta.generation:
            raise NotComparableError("another generation went live meanwhile; verify again")
    return Report(meta, reports, misplaced)


def _check_comparable(target: Target, meta: Meta) -> None:
    if meta.model_version != MODEL_VERSION:
        raise NotComparableError(
            f"the read model has version {meta.model_version}, this auditor {MODEL_VERSION}"
        )
    for topic in (target.names.events_topic, target.names.status_topic):
        if (count := count_partitions(target.kafka, topic)) != meta.partitions:
            raise NotComparableError(
                f"{topic} has {count} partitions, the read model {meta.partitions}"
            )


def _positions(
    target: Target, read_model: RedisReadModel, meta: Meta, within_s: float | None
) -> dict[int, Positions]:
    """How far the partitions are, once they are as far as they have to be."""
    ends = {} if within_s is None else _ends(target, meta)
    deadline = time.monotonic() + (within_s or 0)
    while True:
        positions = {
            number: read_model.positions(read_model.keys.partition(meta.generation, number))
            for number in range(meta.partitions)
        }
        behind = [
            f"partition {number} is at {at.checkpoint.next_offset} and published to "
            f"{at.published} of {ends[number]}"
            for number, at in positions.items()
            if min(at.checkpoint.next_offset, at.published) < ends.get(number, 0)
        ]
        if not behind:
            return positions
        if time.monotonic() > deadline:
            raise NotCaughtUpError(f"not within {within_s:g} s: {'; '.join(behind)}")
        time.sleep(POLL_S)


def _ends(target: Target, meta: Meta) -> dict[int, int]:
    """The ends of the log."""
    ends: dict[int, int] = {}
    for number in range(meta.partitions):
        with TopicReader(target.kafka, target.names.events_topic, number) as reader:
            ends[number] = reader.bounds()[1]
    return ends


def _dead_letters(target: Target) -> DeadLetterTopic:
    topic = target.names.dead_letter_topic
    dead_letters = DeadLetterTopic(target.names.events_topic)
    for number in range(count_partitions(target.kafka, topic)):
        with TopicReader(target.kafka, topic, number) as reader:
            records = [record for batch in reader.to_the_end() for record in batch]
        dead_letters.take(records)
        if reader.beginning:
            now_ms = time.time_ns() // 1_000_000
            dead_letters.lacks_before(records[0].timestamp()[1] if records else now_ms)
    return dead_letters


def _names(
    read_model: RedisReadModel, meta: Meta
) -> tuple[dict[int, list[bytes]], list[Difference]]:
    """The keys in Redis by partition, and as differences those that belong nowhere.

    Those of other generations are a rebuild's, or what one has not removed yet.
    """
    names: dict[int, list[bytes]] = {number: [] for number in range(meta.partitions)}
    misplaced: list[Difference] = []
    general = {f"{read_model.keys.prefix}:{name}".encode() for name in _GENERAL}
    tag = re.compile(rb"%b:\{g(\d+)\.p(\d+)\}:." % re.escape(read_model.keys.prefix.encode()))
    for found in read_model.names():
        for name in found:
            match = tag.match(name)
            if match is None:
                if name not in general:
                    misplaced.append(_misplaced(name))
            elif int(match[1]) == meta.generation:
                if int(match[2]) in names:
                    names[int(match[2])].append(name)
                else:
                    misplaced.append(_misplaced(name))
    return names, misplaced


def _misplaced(name: bytes) -> Difference:
    text = name.decode(errors="backslashreplace")
    return Difference("unexpected_key", -1, text, None, "no such key belongs here")
