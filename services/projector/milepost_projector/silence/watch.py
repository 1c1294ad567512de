"""Watching for silence: publishes a verdict about each file that nobody works on any more."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from milepost.errors import PublishError
from milepost_projector.partition import Folded, PartitionFold
from milepost_projector.read_model import ReadModelUnavailableError, RedisReadModel
from milepost_projector.silence.event_log import EventLog
from milepost_projector.silence.partition_watch import PartitionWatch
from milepost_projector.silence.verdicts import Limits, Verdict, waiting_line
from milepost_schemas.document import Document
from milepost_schemas.events import LogRecorded

LOOK_FILES: Final = 500
"""Documents of one read, so that Redis is never busy with one for long."""

log = structlog.get_logger()


class Watch:
    """Watches the partitions that are open here. It publishes events, and writes no document.

    Args:
        read_model: Where documents are read again before anything is said about them.
        event_log: Where verdicts go.
        limits: When silence has lasted too long.
        monotonic_ms: Measures silence.
        wall_ms: Is never believed; it only says when it is worth asking the broker for its time.
    """

    def __init__(
        self,
        read_model: RedisReadModel,
        event_log: EventLog,
        limits: Limits,
        *,
        monotonic_ms: Callable[[], int],
        wall_ms: Callable[[], int],
    ) -> None:
        self.now_ms = monotonic_ms
        self._read_model = read_model
        self._event_log = event_log
        self._limits = limits
        self._wall_ms = wall_ms
        self._partitions: dict[int, PartitionWatch] = {}

    def begin(self, fold: PartitionFold) -> None:
        """Watch a partition that was just opened."""
        self._partitions[fold.number] = PartitionWatch(fold, self._limits)

    def end(self, number: int) -> None:
        self._partitions.pop(number, None)

    def end_all(self) -> None:
        self._partitions.clear()

    def learn(self, asked_at_ms: int, ends: Mapping[int, int]) -> None:
        """Take in the ends of the log, and when, by the monotonic clock, they were asked for."""
        for number, end in ends.items():
            if number in self._partitions:
                self._partitions[number].attention.learn(asked_at_ms, end)

    def settle(self, number: int, folded: Folded, next_offset: int) -> None:
        """Take in what was written to the read model."""
        self._partitions[number].settle(folded, next_offset, self.now_ms())

    async def look(self) -> None:
        """Look at the files whose time has come, and say of them what has to be said."""
        facts: list[Verdict | LogRecorded] = []
        for partition in [*self._partitions.values()]:
            try:
                facts += await self._look_at(partition)
            except ReadModelUnavailableError as error:
                log.warning("not_now", partition=partition.fold.number, reason=str(error))
        await asyncio.gather(*map(self._publish, facts))

    async def _look_at(self, partition: PartitionWatch) -> list[Verdict | LogRecorded]:
        now_ms = self.now_ms()
        if partition.attention.lasts_ms(now_ms) is None:
            return []
        names = await self._patrol(partition) if partition.wants_patrol(now_ms) else []
        if partition.may_accuse(now_ms):
            names += partition.open_steps.due(now_ms, LOOK_FILES)
        documents = await self._read(partition, names)
        now_ms = self.now_ms()
        partition.find(documents, now_ms)
        # Much may have happened while Redis was asked.
        if not partition.may_accuse(now_ms):
            return []
        verdicts = [
            verdict
            for name, document in documents.items()
            if (verdict := partition.judge(name, document, now_ms).verdict) is not None
        ]
        return [*verdicts, *self._question(partition, documents)]

    async def _patrol(self, partition: PartitionWatch) -> list[bytes]:
        """The next of all open files: those that wait are not remembered, only met."""
        cursor, names = await self._read_model.open_files(
            partition.fold.keys, partition.cursor, LOOK_FILES
        )
        partition.patrolled(cursor, self.now_ms())
        return names

    async def _read(
        self, partition: PartitionWatch, names: list[bytes]
    ) -> Mapping[bytes, Document]:
        """The documents as they are now, none if the partition is somebody else's by now."""
        if not names:
            return {}
        stored, documents = await self._read_model.load(partition.fold.keys, names)
        return documents if partition.fold.expects(stored) else {}

    def _question(
        self, partition: PartitionWatch, documents: Mapping[bytes, Document]
    ) -> list[LogRecorded]:
        """A log line that brings the broker's time back, if a file may have waited too long.

        Where nothing is said, owners that are replaced too often would never get to know it.
        """
        if partition.broker_is_known:
            return []
        before_ms = self._wall_ms() - int(self._limits.queued_failed_after_s * 1000)
        overdue = (
            document
            for name, document in documents.items()
            if not document.is_terminal
            and not document.is_deleted
            and partition.open_steps.get(name) is None
            and document.signed_at_ms <= before_ms
        )
        return [waiting_line(document) for document in overdue][:1]

    async def _publish(self, data: Verdict | LogRecorded) -> None:
        try:
            await self._event_log.publish(data)
        except PublishError as error:
            log.warning("not_now", reason=str(error))
            return
        if not isinstance(data, LogRecorded):
            log.warning(
                "silence_judged",
                verdict=type(data).__name__,
                store_id=data.store_id,
                file_id=data.file_id,
                attempt=data.attempt,
                step=data.step,
            )
