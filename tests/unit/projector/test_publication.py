from typing import cast

import pytest

from milepost.connection import KafkaSettings
from milepost_projector.partition import Partition
from milepost_projector.publication import Means, Publication, PublishedElsewhereError
from milepost_projector.read_model import NO_CHECKPOINT, RedisReadModel
from milepost_projector.slices import Slice
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import encode
from milepost_schemas.document import Document
from milepost_schemas.events import Event
from milepost_schemas.keys import Keys
from milepost_schemas.record import encode_record
from tests.fixtures.protocol.memory_clients import MemoryLogReader, MemoryStatusClient
from tests.fixtures.protocol.memory_kafka import MemoryKafka
from tests.fixtures.protocol.memory_read_model import MemoryReadModel
from tests.fixtures.protocol.memory_redis import MemoryRedis
from tests.fixtures.protocol.network import OpenPort
from tests.unit.projector.log import KEYS, progressed
from tests.unit.projector.observed import some_metrics

PARTITION = Partition(0, 1, KEYS)
NOWHERE = KafkaSettings(bootstrap_servers="memory:1")


class World:
    """A log with two events of one file, and a read model that can be put back."""

    def __init__(self) -> None:
        self.kafka, self.redis = MemoryKafka(1), MemoryRedis()
        self.model = MemoryReadModel(self.redis, Keys(), OpenPort())
        self.topic = MemoryStatusClient(self.kafka, OpenPort())
        for number in range(2):
            record = encode(Event(str(number), "/tests", None, progressed(1, 10 + number)))
            self.kafka.append(0, record, 0)

    async def apply(self, before: bytes, applied: int) -> bytes:
        """Write the file as it is at an offset."""
        value = encode_record(Document("org_1", "vs_1", "file_1", revision=applied))
        records = [KEYS.file("vs_1/file_1").encode(), value]
        written = Checkpoint(applied).encode()
        await self.model.write([Slice(0, before, written, applied, records)], [KEYS])
        return written

    def publication(self, applied: int) -> Publication:
        means = Means(
            cast("StatusTopic", self.topic),
            cast("RedisReadModel", self.model),
            MemoryLogReader(self.kafka, NOWHERE, OpenPort()),
            some_metrics(),
        )
        return Publication(PARTITION, means, 0, Checkpoint(applied))


@pytest.mark.parametrize("is_wiped", [False, True], ids=["lost its tail", "wiped"])
async def test_nothing_is_published_from_a_redis_that_has_gone_back(*, is_wiped: bool) -> None:
    world = World()
    await world.topic.fence(0)
    first = await world.apply(NO_CHECKPOINT, 1)
    before = {} if is_wiped else world.redis.snapshot()
    await world.apply(first, 2)
    world.redis.restore(before)

    with pytest.raises(PublishedElsewhereError):
        await world.publication(2)._publish()
    assert world.kafka.statuses.newest(0) == {}


async def test_documents_that_memory_does_not_have_are_published_from_redis() -> None:
    world = World()
    await world.topic.fence(0)
    await world.apply(await world.apply(NO_CHECKPOINT, 1), 2)

    await world.publication(2)._publish()
    assert [*world.kafka.statuses.newest(0)] == [b"vs_1/file_1"]
    assert await world.model.published(KEYS) == 2
