"""What a rebuild relies on in the batches of a log, of librdkafka's and of those in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_local.servers import Server
from milepost_projector.rebuild.log_batches import LogBatches
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.topics import Topic
from tests.fixtures.protocol.memory_kafka import MemoryKafka
from tests.fixtures.protocol.memory_rebuild import MemoryLogBatches
from tests.fixtures.protocol.network import OpenPort
from tests.fixtures.workload import Publishing

Batches = LogBatches | MemoryLogBatches

LOG = [(number % 2, EncodedRecord(b"key", b"%d" % number, [])) for number in range(10)]
"""Two partitions with five records each."""


@pytest.fixture
async def kafka_batches(kafka: Server, unique: str) -> AsyncIterator[LogBatches]:
    connection = KafkaSettings(bootstrap_servers=kafka.address)
    await create_topics(connection, [Topic(unique, 2, {})])
    publishing = Publishing(kafka.address, unique)
    for partition, record in LOG:
        publishing.publish(record, partition=partition)
    await asyncio.to_thread(publishing.flush)
    with LogBatches(connection, unique) as batches:
        yield batches


@pytest.fixture
def memory_batches() -> MemoryLogBatches:
    kafka = MemoryKafka(2)
    for partition, record in LOG:
        kafka.append(partition, record, now_ms=0)
    return MemoryLogBatches(kafka, OpenPort())


@pytest.fixture(params=["kafka_batches", "memory_batches"])
def batches(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


async def test_each_partition_is_read_from_its_beginning_exactly_to_its_goal(
    batches: Batches,
) -> None:
    ranges = {0: (1, 5), 1: (0, 4)}
    batches.seek(ranges)
    read: dict[int, list[bytes | None]] = {0: [], 1: []}
    positions = {number: start for number, (start, _) in ranges.items()}
    async with asyncio.timeout(60):
        while positions != {0: 5, 1: 4}:
            for number, part in (await batches.next()).items():
                read[number] += [record.value for record in part.records]
                positions[number] = part.position
    assert read == {0: [b"2", b"4", b"6", b"8"], 1: [b"1", b"3", b"5", b"7"]}
    assert await batches.next() == {}


async def test_where_the_goal_is_reached_already_there_is_nothing_to_read(
    batches: Batches,
) -> None:
    batches.seek({0: (5, 5)})
    assert await batches.next() == {}
