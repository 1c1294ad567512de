"""The audit of one partition: fold the log, compare Redis and the topics, in a worker process."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from milepost_auditor.comparison import Comparison, FoldedPartition
from milepost_auditor.dead_letters import DeadLetters, compare_dead_letters
from milepost_auditor.differences import Difference, Findings, Kind
from milepost_auditor.errors import NotComparableError
from milepost_auditor.indexes import Indexes
from milepost_auditor.partition_fold import PartitionFold
from milepost_auditor.read_model import Positions, RedisReadModel
from milepost_auditor.statuses import StatusComparison
from milepost_auditor.targets import Target
from milepost_auditor.topic_reader import TopicReader
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.meta import Meta


class Job(NamedTuple):
    """What a worker needs to know; all of it was read before the log is folded."""

    target: Target
    meta: Meta
    number: int
    positions: Positions
    statuses_end: int
    """In the status topic, which is read as far."""
    dead_letters: DeadLetters
    names: Sequence[bytes]
    """The partition's keys in Redis."""


class PartitionReport(NamedTuple):
    """What became of one partition's records, and what differs."""

    number: int
    checkpoint: int
    """Everything below it was folded and compared."""
    published: int
    files: int
    outcomes: dict[str, int]
    """What became of the records below the checkpoint."""
    findings: Findings


def audit_partition(job: Job, on_folded: Callable[[int], None]) -> PartitionReport:
    """Audit one partition; its documents are in memory until it is done.

    Args:
        job: What to audit.
        on_folded: Called with the number of records folded since the last call.

    Raises:
        MilepostError: nothing can be said.
    """
    with ExitStack() as stack:
        return _PartitionAudit(job, on_folded, stack).run()


class _PartitionAudit:
    def __init__(self, job: Job, on_folded: Callable[[int], None], stack: ExitStack) -> None:
        target, meta, number = job.target, job.meta, job.number
        self._job = job
        self._on_folded = on_folded
        self._findings = Findings()
        self._read_model = stack.enter_context(RedisReadModel(target.redis_url, target.prefix))
        self._keys = self._read_model.keys.partition(meta.generation, number)
        self._log = stack.enter_context(
            TopicReader(target.kafka, target.names.events_topic, number)
        )
        self._fold = PartitionFold(number, meta.partitions)
        self._indexes = Indexes(self._keys)
        self._is_indexed = False
        self._checkpoint = job.positions.checkpoint
        self._statuses = self._read_statuses()

    def run(self) -> PartitionReport:
        checkpoint, published = self._job.positions
        self._check_log()
        self._fold_to(min(published, checkpoint.next_offset))
        self._statuses.judge(self._fold, published)
        self._fold_to(checkpoint.next_offset)
        self._check_positions()
        outcomes = dict(self._fold.outcomes)
        rejections = [*self._fold.rejections]
        self._compare()
        compare_dead_letters(self._job.number, self._job.dead_letters, rejections, self._findings)
        self._judge_statuses_ahead()
        return PartitionReport(
            self._job.number,
            checkpoint.next_offset,
            published,
            len(self._fold.files),
            outcomes,
            self._findings,
        )

    def _read_statuses(self) -> StatusComparison:
        target, number = self._job.target, self._job.number
        with TopicReader(target.kafka, target.names.status_topic, number) as topic:
            batches = topic.up_to(self._job.statuses_end)
            records = (record for batch in batches for record in batch)
            return StatusComparison(number, self._job.meta.generation, records, self._findings)

    def _compare(self) -> None:
        for name, file in self._fold.files.items():
            self._indexes.update(name, file)
        self._is_indexed = True
        partition = FoldedPartition(self._job.number, self._keys, self._fold, self._indexes)
        comparison = Comparison(partition, self._read_model, self._follow, self._findings)
        comparison.documents()
        comparison.log_lines()
        comparison.indexes()
        comparison.open_files()
        comparison.counters()
        comparison.unexpected_keys(self._job.names)

    def _follow(self, checkpoint: Checkpoint) -> None:
        """Bring the fold to the checkpoint that something was read with."""
        before = self._checkpoint
        if checkpoint.next_offset < before.next_offset:
            raise NotComparableError(
                f"the checkpoint of partition {self._job.number} went back from "
                f"{before.next_offset} to {checkpoint.next_offset} meanwhile: Redis lost its tail"
            )
        self._check_recovered(checkpoint)
        self._checkpoint = checkpoint
        self._fold_to(checkpoint.next_offset)

    def _fold_to(self, offset: int) -> None:
        fold, ahead = self._fold, self._statuses.ahead
        for batch in self._log.up_to(offset):
            if ahead:
                for record in batch:
                    fold.fold([record])
                    self._statuses.judge_ahead(record.offset(), fold)
            else:
                fold.fold(batch)
            if self._is_indexed:
                for name in fold.files.keys() & {record.key() for record in batch}:
                    self._indexes.update(name, fold.files[name])
            self._on_folded(len(batch))

    def _judge_statuses_ahead(self) -> None:
        """Go as far as the records of the status topic do."""
        if self._statuses.ahead:
            self._statuses.judge_unreached(self._log.bounds()[1])
            self._fold_to(max(self._statuses.ahead, default=-1) + 1)

    def _check_log(self) -> None:
        beginning, end = self._log.beginning, self._log.end
        reached = self._checkpoint.next_offset
        if beginning:
            raise NotComparableError(
                f"partition {self._job.number} of the log begins at {beginning}: without the "
                "records before, nobody can work out what they came to"
            )
        if reached > end:
            raise NotComparableError(
                f"the checkpoint {reached} of partition {self._job.number} lies beyond the end of "
                f"the log, {end}: it was built from another one"
            )
        self._check_recovered(self._checkpoint)

    def _check_recovered(self, checkpoint: Checkpoint) -> None:
        if checkpoint.is_recovering:
            raise NotComparableError(
                f"partition {self._job.number} is recovering: at {checkpoint.next_offset} of "
                f"{checkpoint.recover_to} that Redis once had"
            )

    def _check_positions(self) -> None:
        checkpoint, published = self._job.positions
        last, mark = self._fold.last, checkpoint.fingerprint
        if mark != self._fold.mark():
            marked = mark.partition(":")[0]
            if last is not None and marked == str(last.offset()):
                raise NotComparableError(
                    f"partition {self._job.number} was built from another log: the record at "
                    f"{marked} is not the one that was applied"
                )
            self._differs(
                "checkpoint",
                f"is at {checkpoint.next_offset}, but marked with the record at {marked}",
            )
        if published > checkpoint.next_offset:
            self._differs("published", f"{published}, above the checkpoint")

    def _differs(self, kind: Kind, detail: str) -> None:
        last = self._fold.last
        name = self._keys.checkpoint if kind == "checkpoint" else self._keys.published
        offset = None if last is None else last.offset()
        self._findings.add(Difference(kind, self._job.number, name, offset, detail))
