"""A topic read piece by piece: each time from where the last time ended up to its end."""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from milepost_schemas.topics import PARTITIONS


class TopicTail:
    """Only committed records; every reading is a client of its own, so that faults leave none."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._options = {
            "bootstrap_servers": bootstrap_servers,
            "auto_offset_reset": "none",
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
        }
        self._positions = {TopicPartition(topic, number): 0 for number in range(PARTITIONS)}

    @property
    def ends(self) -> dict[int, int]:
        """Where reading has got to in each partition."""
        return {at.partition: position for at, position in self._positions.items()}

    async def read(self) -> AsyncIterator[Any]:
        """The records up to the present end, in order within each partition."""
        consumer = AIOKafkaConsumer(**self._options)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([*self._positions])
            left = {at for at, end in ends.items() if self._positions[at] < end}
            consumer.assign([*left])
            for at in left:
                consumer.seek(at, self._positions[at])
            while left:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        yield record
                for at in [*left]:
                    self._positions[at] = await consumer.position(at)
                    if self._positions[at] >= ends[at]:
                        left.discard(at)
                        consumer.pause(at)
        finally:
            await consumer.stop()
