"""The partitions of a subscription: where each begins, and how far its changes are handled."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from milepost.change import Change
from milepost.consumer import Consumer, Fetched, Record
from milepost.errors import KafkaUnavailableError

COMMIT_INTERVAL_S: Final = 0.5
RETRY_INTERVAL_S: Final = 0.25

_log = logging.getLogger(__name__)  # noqa: TID251  a library's logs go where its user says


class SubscribedPartitions:
    """Opens what the consumer is assigned, and commits what was handled if there is a group.

    A context manager: leaving it commits once more. The version of every file that was told is
    remembered for as long as its partition stays here.
    """

    def __init__(self, consumer: Consumer, *, is_grouped: bool) -> None:
        self._consumer = consumer
        self._is_grouped = is_grouped
        self._epoch = -1
        self._left_epoch = -1
        self._handled: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._world_ends: dict[int, int] = {}
        self._told: dict[int, dict[str, tuple[int, int]]] = {}
        self._commit_at = 0.0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def __aenter__(self) -> Self:
        self._consumer.before_giving_up(self._settle)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._commit()

    @property
    def are_at_the_world(self) -> bool:
        """Whether everything was handled that stood in them when they were opened."""
        opened = self._consumer.opened
        return (
            bool(opened)
            and not self._consumer.pending
            and all(self._handled[number] >= self._world_ends[number] for number in opened)
        )

    async def open_pending(self) -> None:
        """Open newly assigned partitions where the group, or this subscription, has to go on."""
        consumer = self._consumer
        epoch, pending = consumer.epoch, consumer.pending
        if not pending:
            return
        try:
            beginnings = await consumer.log.beginning_offsets(pending)
            starts = await consumer.committed(pending) if self._is_grouped else {}
            ends = await consumer.log.end_offsets(pending)
        except KafkaUnavailableError:
            await asyncio.sleep(RETRY_INTERVAL_S)
            return
        if epoch != consumer.epoch:
            return
        self._keep_only(pending | consumer.opened)
        self._epoch = epoch
        for number in pending:
            start = starts.get(number) if self._is_grouped else self._handled.get(number)
            if start is not None and not beginnings[number] <= start <= ends[number]:
                _log.warning("%s %d has no offset %d any more", consumer.topic, number, start)
                start = None
            self._handled[number] = beginnings[number] if start is None else start
            self._world_ends.setdefault(number, ends[number])
            self._told.setdefault(number, {})
            consumer.open(number, self._handled[number], epoch=epoch)

    def _keep_only(self, numbers: frozenset[int]) -> None:
        """Forget partitions that others have now."""
        for known in (self._handled, self._committed, self._world_ends, self._told):
            for number in known.keys() - numbers:
                del known[number]

    def each_of(self, fetched: Fetched) -> Iterator[tuple[int, Record]]:
        """The records of a fetch with their partitions, until these are given up."""
        for number, records in fetched.records.items():
            for record in records:
                if not self._are_still_here(fetched):
                    return
                yield number, record

    def is_newer(self, change: Change) -> bool:
        """Whether nothing as new was told of the file; remembers it."""
        told = self._told[change.position.partition]
        if told.get(change.key, (-1, -1)) >= change.version:
            return False
        told[change.key] = change.version
        return True

    @contextmanager
    def waiting_for_the_caller(self) -> Iterator[None]:
        """The caller has a change in hand; partitions wait for it before they go."""
        self._is_idle.clear()
        try:
            yield
        finally:
            self._is_idle.set()

    async def handled(self, number: int, next_offset: int) -> None:
        """Everything in front of the offset was handled, or was nothing to tell."""
        self._handled[number] = next_offset
        await self._commit_if_due()

    async def passed(self, fetched: Fetched) -> None:
        """All records of the fetch were handled; the ends of transactions lie behind them."""
        if self._are_still_here(fetched):
            self._handled |= fetched.positions
        await self._commit_if_due()

    def _are_still_here(self, fetched: Fetched) -> bool:
        return fetched.epoch == self._consumer.epoch != self._left_epoch

    async def _commit_if_due(self) -> None:
        if self._is_grouped and time.monotonic() >= self._commit_at:
            await self._commit()

    async def _commit(self) -> None:
        """Commit what was handled; what fails is committed with what comes next."""
        self._commit_at = time.monotonic() + COMMIT_INTERVAL_S
        handled = {
            number: offset
            for number, offset in self._handled.items()
            if self._committed.get(number) != offset
        }
        if not (self._is_grouped and handled):
            return
        if await self._consumer.commit(handled, epoch=self._epoch):
            self._committed |= handled

    async def _settle(self) -> None:
        """Tell nothing more, wait until the caller is done with its change, and commit."""
        self._left_epoch = self._consumer.epoch
        await self._is_idle.wait()
        await self._commit()
