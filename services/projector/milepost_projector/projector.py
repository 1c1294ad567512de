"""The projector: records in, read model out, one batch after the other.

While one batch is being written, the next is fetched and folded. Nothing is remembered that cannot
be read again: a write that turns out to be lost drops its partition, which is then opened anew.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Final, NamedTuple

import structlog

from milepost.consumer import Consumer, Fetched
from milepost_projector.dead_letters import DeadLetters
from milepost_projector.metrics import Metrics
from milepost_projector.opener import Opener
from milepost_projector.outages import NOT_NOW, pause, persevere, repeat
from milepost_projector.partition import Folded, PartitionFold, Rejected
from milepost_projector.publications import Publications
from milepost_projector.read_model import (
    ReadModelUnavailableError,
    ReadModelUnfitError,
    RedisReadModel,
)
from milepost_projector.silence.watch import Watch
from milepost_projector.slices import Slice
from milepost_schemas.keys import PartitionKeys

FETCH_TIMEOUT_S: Final = 0.1
ASK_INTERVAL_S: Final = 0.25
COMMIT_INTERVAL_S: Final = 0.1
LOOK_INTERVAL_S: Final = 0.25
INSPECT_INTERVAL_S: Final = 1.0
META_INTERVAL_S: Final = 1.0
IDENTITY_INTERVAL_S: Final = 0.25
GRACE_S: Final = 5.0
UNFIT_INTERVAL_S: Final = 5.0
LOAD_KEYS: Final = 500
"""Documents of one read, so that Redis is never busy with one for long."""
GATHERED_RECORDS: Final = 48_000
"""Records of one batch while there is a backlog: a file is written once for several events."""
GATHERED_WEIGHT: Final = 12_000
"""Files, log lines and dead letters of one batch: they are in memory until they are written."""
DOCUMENTS_IN_MEMORY: Final = 500
"""Documents that a partition keeps after they were written."""

log = structlog.get_logger()


class Instruments(NamedTuple):
    """The clock, and where everything is counted."""

    clock_ms: Callable[[], int]
    metrics: Metrics


class Projector:
    """One member of the projectors' group. `run` returns when it is told to stop."""

    def __init__(  # noqa: PLR0913  one for each thing that it works with
        self,
        consumer: Consumer,
        read_model: RedisReadModel,
        dead_letters: DeadLetters,
        opener: Opener,
        *,
        instruments: Instruments,
        watch: Watch,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        """What became of the records so far."""
        self._consumer = consumer
        self._read_model = read_model
        self._dead_letters = dead_letters
        self._clock_ms, self._metrics = instruments
        self._folds: dict[int, PartitionFold] = {}
        self._epoch = -1
        self._batch = 0
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self._opener = opener
        self._watch = watch
        self._publications: Publications

    async def run(self, stopping: asyncio.Event) -> None:
        """Project until told to stop, then finish the batch in hand and commit.

        A batch that cannot be finished within `GRACE_S` is left to the next owner.
        """
        async with asyncio.TaskGroup() as background:
            self._publications = Publications(background, self._lose, self._metrics)
            not_now = self._metrics.not_now
            told = background.create_task(stopping.wait())
            working = background.create_task(self._work(stopping))
            others = [
                background.create_task(repeat(self._ask_ends, ASK_INTERVAL_S, not_now)),
                background.create_task(repeat(self._commit, COMMIT_INTERVAL_S, not_now)),
                background.create_task(repeat(self._watch.look, LOOK_INTERVAL_S, not_now)),
                background.create_task(repeat(self._inspect, INSPECT_INTERVAL_S, not_now)),
                background.create_task(repeat(self._follow_generation, META_INTERVAL_S, not_now)),
                background.create_task(
                    repeat(self._opener.identity.refresh, IDENTITY_INTERVAL_S, not_now)
                ),
            ]
            await asyncio.wait([told])
            await asyncio.wait([working], timeout=GRACE_S)
            self._publications.end_all()
            for task in (working, *others):
                task.cancel()
        if self._writing is not None:
            self._writing.cancel()

    async def _work(self, stopping: asyncio.Event) -> None:
        fetched, folds = Fetched(self._epoch, {}, {}), dict(self._folds)
        while not stopping.is_set():
            self._follow_assignment()
            await self._open_pending(stopping)
            # What is being fetched belongs to the folds of now: one that is opened anew while the
            # fetch is under way starts at another offset.
            then, folds = folds, dict(self._folds)
            if fetched.is_full:
                fetching = asyncio.create_task(self._consumer.fetch(FETCH_TIMEOUT_S))
                await self._project(fetched, then)
                fetched = await fetching
            else:
                # Nothing is waiting: the write comes first, and the client fetches meanwhile.
                await self._project(fetched, then)
                fetched = await self._consumer.fetch(FETCH_TIMEOUT_S)
        if self._writing is not None:
            await self._writing
        await self._publications.completed()
        await self._commit()

    async def drain(self) -> None:
        """Wait for the write in hand; the consumer asks for it before it gives partitions up."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _project(self, fetched: Fetched, folds: Mapping[int, PartitionFold]) -> None:
        """Fold a fetch; hand over what has gathered, unless more is waiting to be folded."""
        current = await self._fold(fetched, folds)
        if fetched.is_full and self._has_room():
            return
        self._gathered = 0
        work = self._cut(current)
        if not work:
            return
        if self._writing is not None:
            await self._writing
        # Only here: a batch that has read its documents, but is not folded yet, needs them all.
        for fold, _ in work:
            fold.forget(DOCUMENTS_IN_MEMORY, self._batch - 1)
        if fetched.is_full:
            self._writing = asyncio.create_task(self._write(work))
        else:
            await self._write_at_once(work)

    def _has_room(self) -> bool:
        """Whether the batch may grow before it is handed over."""
        if self._gathered >= GATHERED_RECORDS:
            return False
        return sum(fold.gathered for fold in self._folds.values()) < GATHERED_WEIGHT

    async def _fold(
        self, fetched: Fetched, folds: Mapping[int, PartitionFold]
    ) -> list[tuple[PartitionFold, int]]:
        """Fold what was fetched; the folds that it was fetched for, with their new positions."""
        await self._load_unknown(fetched, folds)
        current = [
            (fold, position)
            for number, position in fetched.positions.items()
            if (fold := folds.get(number)) is not None
            and self._is_current(fold)
            and fetched.epoch == self._epoch
        ]
        for fold, _ in current:
            records = fetched.records.get(fold.number, ())
            if fetched.is_full:
                # Folding holds the loop, and the next fetch needs turns of it to reach the broker.
                await asyncio.sleep(0)
            fold.fold(records)
            self._gathered += len(records)
        return current

    def _cut(
        self, current: Sequence[tuple[PartitionFold, int]]
    ) -> list[tuple[PartitionFold, Folded]]:
        """Everything since the last cut, as far as there is anything."""
        self._batch += 1
        return [
            (fold, fold.cut(position, self._batch))
            for fold, position in current
            if fold.has_news(position)
        ]

    async def _write_at_once(self, work: Sequence[tuple[PartitionFold, Folded]]) -> None:
        """Write without a task in between: the loop's other work would come first."""
        writing = self._writing = asyncio.get_running_loop().create_future()
        try:
            await self._write(work)
        finally:
            writing.set_result(None)

    async def _write(self, work: Sequence[tuple[PartitionFold, Folded]]) -> None:
        """Dead letters first, then the slices: an offset passes only what is safe."""
        work = await self._opener.identity.sift(work, self._drop, self._metrics.not_now)
        began_s = perf_counter()
        await self._write_all(work)
        self._metrics.batch((folded for _, folded in work), perf_counter() - began_s)

    async def _write_all(self, work: Sequence[tuple[PartitionFold, Folded]]) -> None:
        rejected = [one for _, folded in work for one in folded.rejected]
        if rejected:
            await asyncio.gather(*map(self._dead_letter, rejected))
        slices = [slice_ for _, folded in work for slice_ in folded.slices]
        if not slices:
            return
        keys = {fold.number: fold.keys for fold, _ in work}
        answers = await persevere(lambda: self._write_slices(slices, keys), self._metrics.not_now)
        stored = {slice_.partition: answer for slice_, answer in zip(slices, answers, strict=True)}
        for fold, folded in work:
            self.outcomes.update(folded.outcomes)
            if folded.slices:
                self._settle(fold, folded, stored[fold.number])

    async def _write_slices(
        self, slices: Sequence[Slice], keys: dict[int, PartitionKeys]
    ) -> list[bytes]:
        began_s = perf_counter()
        stored = await self._read_model.write(slices, [keys[each.partition] for each in slices])
        self._metrics.script(perf_counter() - began_s)
        return stored

    def _settle(self, fold: PartitionFold, folded: Folded, stored: bytes) -> None:
        last = folded.slices[-1]
        if stored == last.checkpoint:
            self._metrics.settled(folded)
        if not self._is_current(fold):
            return
        if stored != last.checkpoint:
            log.warning("checkpoint_lost", partition=fold.number, stored=stored.decode())
            self._drop(fold)
            return
        fold.acknowledge(last.checkpoint)
        self._metrics.progress.settled(fold.number, last)
        self._publications.offer(fold.number, folded.revised, last.next_offset)
        self._watch.settle(fold.number, folded, last.next_offset)

    def _is_current(self, fold: PartitionFold) -> bool:
        return self._folds.get(fold.number) is fold

    def _drop(self, fold: PartitionFold) -> None:
        """Forget a partition that somebody else wrote to, or that Redis has lost."""
        if self._is_current(fold):
            self._metrics.lost()
            self._publications.end(fold.number)
            self._lose(fold.number)

    def _lose(self, number: int) -> None:
        del self._folds[number]
        self._watch.end(number)
        self._consumer.close(number)

    async def _dead_letter(self, rejected: Rejected) -> None:
        log.warning(
            "record_dead_lettered",
            partition=rejected.partition,
            offset=rejected.record.offset,
            reason=rejected.error.reason,
            detail=rejected.error.detail,
        )
        await persevere(
            lambda: self._dead_letters.publish(rejected, self._clock_ms()), self._metrics.not_now
        )
        self._metrics.dead_lettered(rejected)

    async def _load_unknown(self, fetched: Fetched, folds: Mapping[int, PartitionFold]) -> None:
        """Read the documents that the records need and memory does not have."""
        reads = [
            (fold, names[start : start + LOAD_KEYS])
            for number, records in fetched.records.items()
            if (fold := folds.get(number)) is not None and self._is_current(fold)
            for names in [fold.unknown(records)]
            for start in range(0, len(names), LOAD_KEYS)
        ]
        if reads:
            await asyncio.gather(*(self._load(fold, names) for fold, names in reads))

    async def _load(self, fold: PartitionFold, names: Sequence[bytes]) -> None:
        stored, documents = await persevere(
            lambda: self._read_model.load(fold.keys, names), self._metrics.not_now
        )
        if fold.expects(stored):
            fold.know(documents)
        else:
            self._drop(fold)

    def _follow_assignment(self) -> None:
        if self._consumer.epoch != self._epoch:
            self._epoch = self._consumer.epoch
            self._folds.clear()
            self._publications.end_all()
            self._watch.end_all()
            self._opener.refused.clear()

    async def _follow_generation(self) -> None:
        """Leave what is of a generation that is not the live one any more."""
        live = await self._opener.live_generation() if self._folds else None
        for fold in [*self._folds.values()]:
            if live is not None and fold.generation != live:
                self._drop(fold)

    async def _open_pending(self, stopping: asyncio.Event) -> None:
        """Open what was assigned; called only while no fetch is under way."""
        pending = self._consumer.pending - self._opener.refused
        if not pending:
            return
        await self.drain()
        epoch = self._epoch
        try:
            for fold, publication in await self._opener.open(sorted(pending)):
                if epoch == self._consumer.epoch:
                    self._folds[fold.number] = fold
                    self._metrics.opened(fold, publication)
                    self._publications.begin(publication)
                    self._watch.begin(fold)
                    offset = fold.checkpoint.next_offset
                    self._consumer.open(fold.number, offset, epoch=epoch)
        except ReadModelUnfitError as error:
            log.error("read_model_unfit", reason=str(error))  # noqa: TRY400  a finding, not a crash
            self._metrics.progress.troubled(str(error))
            await pause(stopping, UNFIT_INTERVAL_S)
        except NOT_NOW as error:
            self._metrics.not_now(error)
            log.warning("not_now", reason=str(error))
            await pause(stopping)

    async def _ask_ends(self) -> None:
        """Learn the ends of the log, all in one request."""
        asked_at_ms, asked_at_monotonic_ms = self._clock_ms(), self._watch.now_ms()
        ends = await self._consumer.log.end_offsets(self._consumer.opened)
        for number, end in ends.items():
            if number in self._folds:
                self._folds[number].freshness.learn(asked_at_ms, end)
        self._watch.learn(asked_at_monotonic_ms, ends)

    async def _inspect(self) -> None:
        """Close all partitions where Redis has become unfit; opening them says why, and waits."""
        try:
            await self._read_model.inspect()
        except ReadModelUnfitError:
            for fold in [*self._folds.values()]:
                self._drop(fold)
        except ReadModelUnavailableError:
            # Who reads or writes says so.
            return

    async def _commit(self) -> None:
        """Tell the group how far the status topic is; Redis, not this, is the authority."""
        epoch, offsets = self._epoch, self._publications.committable()
        is_committed = not offsets or await self._consumer.commit(offsets, epoch=epoch)
        if is_committed and epoch == self._epoch:
            self._publications.committed(offsets)
