"""A stage: a consumer group that takes up what its step is asked for, several files at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from milepost.consumer import Consumer, Fetched, Record
from milepost.errors import KafkaUnavailableError
from milepost_pipeline.content import FileRef
from milepost_pipeline.offsets import Offsets
from milepost_pipeline.overtaking import Board
from milepost_pipeline.relevance import read_event
from milepost_pipeline.step_runner import StepRunner
from milepost_schemas.events import EventData, FileDeleted

_FETCH_TIMEOUT_S = 0.2
_RETRY_S = 0.5
_MOST_IN_HAND = 10_000
_SETTLE_TIMEOUT_S = 4.0
_COMMIT_TIMEOUT_S = 3.0
_ABANDON_TIMEOUT_S = 2.0

_log = structlog.get_logger()


@dataclass(eq=False)
class _Item:
    """A record that the stage works on."""

    partition: int
    offset: int
    file: FileRef
    data: EventData
    is_begun: bool = False
    is_stoppable: bool = False
    is_overtaken: bool = False

    def goes_on(self) -> bool:
        """Let the work be cancelled from now on, unless it is pointless already."""
        self.is_stoppable = True
        return not self.is_overtaken


class Stage:
    """Runs one step over the log until it is told to stop.

    The log is read on while work is in hand, so that a deletion, a newer attempt or an end makes
    queued and running work stop. Work on one file goes in the order of the log. Only what lies
    below the oldest unfinished record of a partition is committed: a crash repeats work, and
    manifests and the index make the repetition harmless.
    """

    def __init__(self, runner: StepRunner, consumer: Consumer, *, concurrency: int) -> None:
        self._runner = runner
        self._consumer = consumer
        self._epoch = consumer.epoch
        self._slots = asyncio.Semaphore(concurrency)
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._items: dict[asyncio.Task[None], _Item] = {}
        self._tasks_of: defaultdict[FileRef, set[asyncio.Task[None]]] = defaultdict(set)
        self._lanes: WeakValueDictionary[FileRef, asyncio.Lock] = WeakValueDictionary()
        self._offsets = Offsets()
        self._board = Board()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping; what is not finished then is left to the next run."""
        self._consumer.before_giving_up(self.settle)
        _log.info("stage_started", step=self._runner.step.name)
        while not stopping.is_set():
            await self._follow_assignment()
            if len(self._items) < _MOST_IN_HAND:
                self._take(await self._consumer.fetch(_FETCH_TIMEOUT_S))
            else:
                await asyncio.wait(
                    self._items, timeout=_RETRY_S, return_when=asyncio.FIRST_COMPLETED
                )
            await self._advance()
        await self.settle()
        await self._abandon()

    async def settle(self) -> None:
        """Begin nothing more, give what is begun a moment to end, and commit."""
        self._is_open.clear()
        begun = [task for task, item in self._items.items() if item.is_begun]
        if begun:
            await asyncio.wait(begun, timeout=_SETTLE_TIMEOUT_S)
        await self._advance()

    async def _follow_assignment(self) -> None:
        if self._epoch != self._consumer.epoch:
            await self._abandon()
            self._epoch = self._consumer.epoch
            self._is_open.set()
        if not self._consumer.pending:
            return
        try:
            starts = await self._starts(self._consumer.pending)
        except KafkaUnavailableError as error:
            _log.warning("kafka_unavailable", error=str(error))
            await asyncio.sleep(_RETRY_S)
            return
        for partition, offset in starts.items():
            self._offsets.open(partition, offset)
            self._consumer.open(partition, offset, epoch=self._epoch)

    async def _starts(self, partitions: Collection[int]) -> dict[int, int]:
        """Return where each partition goes on: at the commit, or at the oldest record there is."""
        beginnings = await self._consumer.log.beginning_offsets(partitions)
        committed = await self._consumer.committed(partitions)
        return {
            partition: max(committed.get(partition) or 0, beginning)
            for partition, beginning in beginnings.items()
        }

    def _take(self, fetched: Fetched) -> None:
        if fetched.epoch != self._epoch:
            return
        for partition, records in fetched.records.items():
            for record in records:
                self._take_record(partition, record)
        for partition, position in fetched.positions.items():
            self._offsets.read_to(partition, position)

    def _take_record(self, partition: int, record: Record) -> None:
        data = read_event(record)
        if data is None:
            return
        file = FileRef(data.organization_id, data.store_id, data.file_id)
        if self._board.note(file, data):
            self._stop_overtaken(file)
        is_work = isinstance(data, FileDeleted) or (
            self._runner.step.is_asked_for(data)
            and not self._board.is_overtaken(file, data.attempt)
        )
        if is_work:
            item = _Item(partition, record.offset, file, data)
            self._offsets.take(partition, record.offset)
            task = asyncio.create_task(self._work(item))
            self._items[task] = item
            self._tasks_of[file].add(task)

    def _stop_overtaken(self, file: FileRef) -> None:
        for task in self._tasks_of.get(file, ()):
            item = self._items[task]
            if isinstance(item.data, FileDeleted):
                continue
            if self._board.is_overtaken(file, item.data.attempt):
                item.is_overtaken = True
                if item.is_stoppable:
                    task.cancel()

    async def _work(self, item: _Item) -> None:
        lane = self._lanes.setdefault(item.file, asyncio.Lock())
        async with lane, self._slots:
            await self._is_open.wait()
            item.is_begun = True
            if isinstance(item.data, FileDeleted):
                await self._runner.forget(item.file)
            else:
                await self._runner.perform(item.file, item.data, item.goes_on)

    async def _advance(self) -> None:
        """Note what is finished and commit as far as that allows."""
        for task in [task for task in self._items if task.done()]:
            item = self._items[task]
            self._check(task, item)
            self._drop(task)
            self._offsets.finish(item.partition, item.offset)
        if offsets := self._offsets.committable():
            await self._commit(offsets)

    async def _commit(self, offsets: dict[int, int]) -> None:
        # Without a coordinator the commit waits for ever; the next one says the same and more.
        with suppress(TimeoutError):
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                if await self._consumer.commit(offsets, epoch=self._epoch):
                    self._offsets.committed(offsets)

    def _drop(self, task: asyncio.Task[None]) -> None:
        file = self._items.pop(task).file
        self._tasks_of[file].discard(task)
        if not self._tasks_of[file]:
            del self._tasks_of[file]

    def _check(self, task: asyncio.Task[None], item: _Item) -> None:
        """Tell the log of the service about a bug; the file was told that it failed.

        Raises:
            Exception: the bug itself, where the file could not be told.
        """
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        _log.error("step_broke", file=item.file.folder, exc_info=error)
        if getattr(error, "__notes__", None):
            raise error

    async def _abandon(self) -> None:
        """Cancel what is in hand; its records are not committed and will come again."""
        tasks = list(self._items)
        for task in tasks:
            task.cancel()
            self._drop(task)
        if tasks:
            await asyncio.wait(tasks, timeout=_ABANDON_TIMEOUT_S)
