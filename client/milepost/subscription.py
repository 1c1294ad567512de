"""Follow the status of all files: what they are now, then each change."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final, Literal

from milepost.admin import count_partitions
from milepost.change import Change, UnreadableStatusError, decode_change
from milepost.connection import KafkaSettings
from milepost.consumer import Consumer, Record
from milepost.outbox import Position
from milepost.subscribed_partitions import SubscribedPartitions
from milepost_schemas.status_record import DeletedFile, FileDocument
from milepost_schemas.topics import STATUS

__all__ = ["Change", "DeletedFile", "FileDocument", "Position", "Subscription", "subscribe"]

FETCH_TIMEOUT_S: Final = 0.5

SkipReason = Literal["old", "tombstone", "unreadable"]

_log = logging.getLogger(__name__)  # noqa: TID251  a library's logs go where its user says


def subscribe(
    connection: KafkaSettings,
    *,
    group_id: str | None = None,
    topic: str = STATUS.name,
    live: bool = True,
) -> "Subscription":
    """The status of every file: first the world, then what happens from now on.

    The world is what stood in the topic when the subscription began. Of one file, changes come in
    order and each is newer than the one before; not every revision comes, but the newest does.

    Without a group, each subscription gets everything from the beginning. With one, members share
    the partitions, and the group goes on where it stopped: a change counts as handled when the
    next one is asked for. After a crash or a rebalance some come again (at least once).

    Args:
        connection: The brokers.
        group_id: A consumer group to be a member of.
        topic: The status topic.
        live: Whether to go on after the world; otherwise the iteration ends there.
    """
    return Subscription(connection, group_id=group_id, topic=topic, live=live)


class Subscription:
    """To be iterated over; `async for` connects, and leaving the loop disconnects.

    Leave loops that do not run to their end through `contextlib.aclosing`, or let the garbage
    collector close them. A cancelled iteration has ended. Memory grows with the number of files:
    the version of each file in this member's partitions is remembered, 0.3 KB a file.

    Iterating raises `KafkaUnavailableError` when Kafka does not answer at the start (later it is
    waited for), and `ConsumerError` when it refuses the subscriber or has no such topic.
    """

    def __init__(
        self, connection: KafkaSettings, *, group_id: str | None, topic: str, live: bool
    ) -> None:
        self.world_told = asyncio.Event()
        """Set once the caller has handled the world. In a group: the part of it that this member
        was given first and that was not handled before; a member without partitions waits."""
        self.skipped: Counter[SkipReason] = Counter()
        """Records that were not told: older than or equal to what was told, without a value, or
        not readable. The last two are nothing that Milepost writes; each is logged as a warning.
        """
        self._connection = connection
        self._group_id = group_id
        self._topic = topic
        self._live = live

    async def __aiter__(self) -> AsyncGenerator[Change, None]:
        await count_partitions(self._connection, self._topic)
        is_grouped = self._group_id is not None
        async with (
            Consumer(self._connection, self._topic, self._group_id) as consumer,
            SubscribedPartitions(consumer, is_grouped=is_grouped) as partitions,
        ):
            while not self._is_over(partitions):
                await partitions.open_pending()
                fetched = await consumer.fetch(FETCH_TIMEOUT_S)
                for number, record in partitions.each_of(fetched):
                    change = self._news(number, record, partitions)
                    if change is not None:
                        with partitions.waiting_for_the_caller():
                            yield change
                    await partitions.handled(number, record.offset + 1)
                await partitions.passed(fetched)
                # A fetch that finds records waiting takes no turn of the loop, and may do so for
                # as long as there is a world to read.
                await asyncio.sleep(0)

    def _is_over(self, partitions: SubscribedPartitions) -> bool:
        if partitions.are_at_the_world:
            self.world_told.set()
        return partitions.are_at_the_world and not self._live

    def _news(self, number: int, record: Record, partitions: SubscribedPartitions) -> Change | None:
        """The change that a record says, None if there is nothing to tell."""
        position = Position(self._topic, number, record.offset)
        try:
            change = decode_change(record, position)
        except UnreadableStatusError as error:
            self.skipped["tombstone" if record.value is None else "unreadable"] += 1
            _log.warning("%s %d %d is skipped: %s", *position, error)
            return None
        if partitions.is_newer(change):
            return change
        self.skipped["old"] += 1
        return None
