"""A consumer, alone or in a group, that opens partitions where its owner says.

aiokafka's consumer can die without a word: when its fetch task ends, it returns nothing for ever.
This one compares its position with the end of the log and builds a new client when it stands still.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata

from milepost.admin import committed_notes, count_partitions
from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError, OffsetGoneError
from milepost.log_reader import LogReader, Record, abandon, kafka_errors

__all__ = ["Consumer", "Fetched", "Record"]

COMMIT_TIMEOUT_S: Final = 5
"""A commit that waits for a group's coordinator does so for ever."""
REBALANCE_TIMEOUT_S: Final = 30
METADATA_AGE_S: Final = 5
"""A group's leader sees a topic that was made anew this late, and has no partitions until then."""
LOOK_INTERVAL_S: Final = 0.1
"""Between two looks at all positions: it costs, and without records they seldom move."""
MAX_POLL_INTERVAL_S: Final = 15 * 60
"""An owner that waits for Redis or for a long step does not fetch, and is not dead."""


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought: records by partition, and the positions right after them.

    A partition without records has one now and then, and after a full fetch: it seldom moves.
    """

    epoch: int
    records: Mapping[int, Sequence[Record]]
    positions: Mapping[int, int]
    is_full: bool = False
    """Whether there were as many records as one fetch may bring: more are waiting, most likely."""


@dataclass
class _Assignment:
    """The partitions of this member: which are open, and how often the assignment changed."""

    epoch: int = 0
    is_known: bool = False
    opened: set[int] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)


class Consumer:
    """One member of a group on one topic, or a reader of all of it; a context manager.

    Without a group it has every partition and commits nothing.
    A newly assigned partition is `pending` and delivers nothing until it is opened at an offset.
    Each change of the assignment raises `epoch` and makes all partitions pending again. Before
    partitions are given up, the owner may finish its work in hand (`before_giving_up`).
    Offsets are committed only when the owner says so.
    """

    def __init__(
        self,
        connection: KafkaSettings,
        topic: str,
        group_id: str | None,
        *,
        max_records: int | None = None,
        stuck_after_s: float = 30.0,
    ) -> None:
        self.topic = topic
        self._connection = connection
        self.log = LogReader(connection, topic)
        self.rebuilds = 0
        """How many clients were found dead and replaced."""
        self.note = ""
        """Goes with every commit, for whoever reads the group's offsets later."""
        self._connection = connection
        self._finish: Callable[[], Awaitable[None]] | None = None
        self._max_records = max_records
        self._stuck_after_s = stuck_after_s
        self._assignment = _Assignment()
        self._progress: dict[int, tuple[int | None, float]] = {}
        self._client: Any = None
        self._stuck = False
        self._fetches = 0
        self._was_full = False
        self._looked_at = 0.0
        self._uncommitted_since: float | None = None
        self._watch: asyncio.Task[None] | None = None
        self._options: dict[str, Any] = {
            **connection.client_options(),
            "group_id": group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": 500,
            "metadata_max_age_ms": METADATA_AGE_S * 1000,
            "max_partition_fetch_bytes": 128 * 1024,
            "max_poll_interval_ms": MAX_POLL_INTERVAL_S * 1000,
            "rebalance_timeout_ms": REBALANCE_TIMEOUT_S * 1000,
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 3_000,
        }

    async def __aenter__(self) -> Self:
        await self.log.start()
        try:
            await self._start()
        except BaseException:
            await abandon(self._client)
            await self.log.stop()
            raise
        self._watch = asyncio.create_task(self._watch_progress())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await abandon(self._client)
        await self.log.stop()

    def before_giving_up(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Await this before partitions go, for half of the rebalance time-out at most."""
        self._finish = finish

    @property
    def epoch(self) -> int:
        return self._assignment.epoch

    @property
    def is_assigned(self) -> bool:
        """Whether the group has said which partitions are this member's; it may be none."""
        return self._assignment.is_known

    @property
    def opened(self) -> frozenset[int]:
        return frozenset(self._assignment.opened)

    @property
    def pending(self) -> frozenset[int]:
        """Partitions that are assigned but not opened yet."""
        return frozenset(self._assignment.pending)

    def open(self, partition: int, offset: int, *, epoch: int) -> None:
        """Deliver the partition's records from the offset on; ignored after a change of epoch."""
        if epoch != self.epoch or partition not in self._assignment.pending:
            return
        at = TopicPartition(self.topic, partition)
        self._client.seek(at, offset)
        self._client.resume(at)
        self._assignment.pending.discard(partition)
        self._assignment.opened.add(partition)
        self._progress[partition] = (offset, time.monotonic())

    def close(self, partition: int) -> None:
        """Deliver nothing more of the partition until it is opened again."""
        if partition in self._assignment.opened:
            self._client.pause(TopicPartition(self.topic, partition))
            self._assignment.opened.discard(partition)
            self._assignment.pending.add(partition)

    async def fetch(self, timeout_s: float) -> Fetched:
        """The next records of the open partitions, none when the time is up.

        Never cancel it: aiokafka leaks its fetch then. May take longer during a rebalance.

        Raises:
            ConsumerError: Kafka refuses this consumer, and trying again will not help.
        """
        batches: Mapping[Any, Sequence[Record]] = {}
        try:
            with kafka_errors(f"fetch {self.topic}"):
                if self._stuck or self._has_left():
                    await self._rebuild()
                batches = await self._client.getmany(
                    timeout_ms=int(timeout_s * 1000), max_records=self._max_records
                )
        except KafkaUnavailableError:
            # It may be refused at once, and the next try would be, too.
            await asyncio.sleep(timeout_s)
        except OffsetGoneError as error:
            for at in error.__cause__.args[0]:  # type: ignore[union-attr]  # aiokafka names them
                self.close(at.partition)
        self._fetches += 1
        return await self._fetched(batches)

    async def _fetched(self, batches: Mapping[Any, Sequence[Record]]) -> Fetched:
        epoch, opened = self.epoch, self.opened
        records = {at.partition: got for at, got in batches.items() if at.partition in opened}
        is_full = sum(map(len, records.values())) == self._max_records
        # Who gathers full fetches has records of other partitions in hand after the last of them.
        is_time = time.monotonic() - self._looked_at >= LOOK_INTERVAL_S
        is_look = is_full or self._was_full or not records or is_time
        self._was_full = is_full
        positions = {partition: got[-1].offset + 1 for partition, got in records.items()}
        if is_look:
            self._looked_at = time.monotonic()
            positions |= await self._positions(opened)
        if epoch != self.epoch:
            return Fetched(epoch, {}, {})
        return Fetched(epoch, records, positions, is_full)

    async def _positions(self, partitions: Collection[int]) -> dict[int, int]:
        """Where the client goes on, marks of transactions included."""
        positions: dict[int, int] = {}
        for partition in partitions:
            try:
                at = TopicPartition(self.topic, partition)
                positions[partition] = await self._client.position(at)
            except IllegalStateError:
                break
        return positions

    async def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """The group's committed offset of each partition, None where there is none."""
        with kafka_errors("committed offsets"):
            return {
                partition: await self._client.committed(TopicPartition(self.topic, partition))
                for partition in partitions
            }

    async def notes(self) -> dict[int, str]:
        """What the group has committed with its offsets, by partition."""
        group_id: str = self._options["group_id"]
        return await committed_notes(self._connection, group_id, self.topic)

    async def commit(self, offsets: Mapping[int, int], *, epoch: int) -> bool:
        """Commit next offsets; False if that failed, or the partitions have moved on.

        What failed may be committed again. Where it goes on failing, the client is replaced.
        """
        if epoch != self.epoch:
            return False
        positions = {
            TopicPartition(self.topic, number): OffsetAndMetadata(at, self.note)
            for number, at in offsets.items()
        }
        is_committed = await self._commit(positions)
        if is_committed:
            self._uncommitted_since = None
        elif self._uncommitted_since is None:
            self._uncommitted_since = time.monotonic()
        return is_committed

    async def _commit(self, positions: Mapping[Any, int]) -> bool:
        try:
            with kafka_errors(f"commit {self.topic}"):
                async with asyncio.timeout(min(COMMIT_TIMEOUT_S, self._stuck_after_s)):
                    await self._client.commit(positions)
        except (KafkaUnavailableError, TimeoutError):
            return False
        except ConsumerError as error:
            if isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                return False
            raise
        return True

    async def _start(self) -> None:
        self._client = AIOKafkaConsumer(**self._options)
        if self._options["group_id"] is None:
            await self._client.start()
            await self._take_all()
        else:
            self._client.subscribe([self.topic], listener=_Listener(self))
            await self._client.start()
        self._stuck = False

    async def _take_all(self) -> None:
        every = range(await count_partitions(self._connection, self.topic))
        self._client.assign([TopicPartition(self.topic, partition) for partition in every])
        self.take(every)

    async def _rebuild(self) -> None:
        self.rebuilds += 1
        self.release()
        await abandon(self._client)
        await self._start()

    async def _watch_progress(self) -> None:
        while True:
            fetches = self._fetches
            await asyncio.sleep(self._stuck_after_s / 4)
            if self._fetches == fetches:
                # Nothing moves while the owner is busy, and that is no fault of the client.
                self._progress.clear()
                continue
            try:
                ends = await self.log.end_offsets(self.opened)
            except KafkaUnavailableError:
                continue
            stands_still = [self._stands_still(*each) for each in ends.items()]
            self._stuck = self._stuck or any(stands_still) or self._cannot_commit()

    def _has_left(self) -> bool:
        """Whether nobody takes part in the group any more; to fetch would only raise that."""
        if self._options["group_id"] is None:
            return False
        ended: bool = self._client._coordinator._coordination_task.cancelled()  # noqa: SLF001  as below
        return ended

    def _cannot_commit(self) -> bool:
        since = self._uncommitted_since
        return since is not None and time.monotonic() - since > self._stuck_after_s

    def _stands_still(self, partition: int, end: int) -> bool:
        position = self._known_position(partition)
        at, since = self._progress.setdefault(partition, (position, time.monotonic()))
        if position is None or position != at or position >= end:
            self._progress[partition] = (position, time.monotonic())
            return False
        return time.monotonic() - since > self._stuck_after_s

    def _known_position(self, partition: int) -> int | None:
        at = TopicPartition(self.topic, partition)
        subscription = self._client._subscription.subscription  # noqa: SLF001  position() may wait
        if subscription is None or subscription.assignment is None:
            return None
        if at not in subscription.assignment.tps:
            return None
        state = subscription.assignment.state_value(at)
        return state.position if state.has_valid_position else None

    def release(self) -> None:
        """Forget all partitions; the listener calls it when the group takes them away."""
        self._assignment = _Assignment(self.epoch + 1)
        self._progress.clear()
        self._uncommitted_since = None

    async def give_up(self) -> None:
        """Finish the work in hand, then forget all partitions."""
        if self._finish is not None:
            finishing = asyncio.ensure_future(self._finish())
            await asyncio.wait([finishing], timeout=REBALANCE_TIMEOUT_S / 2)
        self.release()

    def take(self, partitions: Collection[int]) -> None:
        """Hold newly assigned partitions until their owner opens them."""
        self.release()
        self._assignment.is_known = True
        for partition in partitions:
            at = TopicPartition(self.topic, partition)
            self._client.pause(at)
            # A position of its own keeps aiokafka from looking for one; paused, it is not used.
            self._client.seek(at, 0)
        self._assignment.pending.update(partitions)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hands the group's decisions to the consumer."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:  # noqa: ARG002  aiokafka's name
        await self._consumer.give_up()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self._consumer.take([at.partition for at in assigned])
