"""Runs the audits of partitions: in this process if that is little work, else on several cores."""

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Final

from milepost_auditor.errors import AuditError
from milepost_auditor.partition_audit import Job, PartitionReport, audit_partition

REPORT_INTERVAL_S: Final = 0.2
FEW_RECORDS: Final = 50_000
"""To start a process takes about as long as to fold that many."""

OnProgress = Callable[[int, int], None]
"""Called with the records folded so far, and all of them."""


def audit_partitions(
    jobs: Sequence[Job], processes: int | None, on_progress: OnProgress
) -> list[PartitionReport]:
    """The reports of all partitions, by number.

    Raises:
        MilepostError: about one of them nothing can be said.
    """
    # Records and documents are no cycles; frequent collections would only walk them.
    thresholds = gc.get_threshold()
    gc.set_threshold(500_000, 20, 100)
    try:
        total = sum(job.positions.checkpoint.next_offset for job in jobs)
        if processes is None:
            processes = 1 if total < FEW_RECORDS else os.cpu_count() or 1
        if processes == 1:
            reports = _audit_here(jobs, total, on_progress)
        else:
            reports = _audit_elsewhere(jobs, total, processes, on_progress)
    finally:
        gc.set_threshold(*thresholds)
    return sorted(reports, key=lambda report: report.number)


def _audit_here(jobs: Sequence[Job], total: int, on_progress: OnProgress) -> list[PartitionReport]:
    done = 0

    def on_folded(records: int) -> None:
        nonlocal done
        done += records
        on_progress(min(done, total), total)

    return [audit_partition(job, on_folded) for job in jobs]


def _audit_elsewhere(
    jobs: Sequence[Job], total: int, processes: int, on_progress: OnProgress
) -> list[PartitionReport]:
    # The largest first: the cores then end at about the same time.
    ordered = sorted(jobs, key=lambda job: -job.positions.checkpoint.next_offset)
    context = get_context("spawn")
    folded = context.RawArray("Q", len(jobs))
    done: set[Future[PartitionReport]] = set()
    with ProcessPoolExecutor(
        min(processes, len(jobs)), context, initializer=_share, initargs=(folded,)
    ) as pool:
        pending = {pool.submit(_work, job) for job in ordered}
        try:
            while pending:
                finished, pending = wait(pending, REPORT_INTERVAL_S, FIRST_EXCEPTION)
                done |= finished
                on_progress(min(sum(folded), total), total)
                for future in finished:
                    future.result()
        except BrokenProcessPool as error:
            raise AuditError("a worker process was killed, perhaps for want of memory") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() for future in done]


_folded: Any = None
"""In a worker: the records folded so far, by partition, in memory that the processes share."""


def _share(folded: object) -> None:
    global _folded  # noqa: PLW0603  the one way into a pool's worker
    _folded = folded
    gc.set_threshold(500_000, 20, 100)


def _work(job: Job) -> PartitionReport:
    def on_folded(records: int) -> None:
        _folded[job.number] += records

    return audit_partition(job, on_folded)
