"""What `Consumer` and `LogReader` rely on in a client, of aiokafka's and of the one in memory."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.errors import ConsumerError
from milepost_local.servers import Server
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.topics import Topic
from tests.fixtures.protocol.memory_clients import (
    MAX_RECORDS,
    MemoryConsumer,
    MemoryLogReader,
    MemoryMember,
)
from tests.fixtures.protocol.memory_kafka import MemoryKafka
from tests.fixtures.protocol.network import OpenPort
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing

VALUES = [b"a", b"b", b"c", b"d"]


@dataclass
class Member:
    """The only member of a group, on a log of two partitions; the first one has some records."""

    consumer: Consumer
    expire: Callable[[int], Awaitable[None]]


@pytest.fixture
async def kafka_member(kafka: Server, unique: str) -> AsyncIterator[Member]:
    settings = KafkaSettings(bootstrap_servers=kafka.address)
    await create_topics(settings, [Topic(unique, 2, {})])
    publishing = Publishing(kafka.address, unique)
    for value in VALUES:
        publishing.publish(EncodedRecord(b"key", value, []), partition=0)
    await asyncio.to_thread(publishing.flush)

    async def expire(before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        await admin.delete_records({TopicPartition(unique, 0): RecordsToDelete(before)})
        await admin.close()

    async with Consumer(settings, unique, unique, max_records=MAX_RECORDS) as consumer:
        await until(lambda: consumer.pending)
        yield Member(consumer, expire)


@pytest.fixture
def memory_member() -> Member:
    brokers = MemoryKafka(2)
    for value in VALUES:
        brokers.append(0, EncodedRecord(b"key", value, []), 0)
    settings = KafkaSettings(bootstrap_servers="memory:1")
    client = MemoryConsumer(brokers, "events", OpenPort(1))
    consumer = MemoryMember(settings, client, MemoryLogReader(brokers, settings, OpenPort(1)))
    brokers.group.assign({0: 1, 1: 1})
    consumer.take(client.join())

    async def expire(before: int) -> None:
        brokers.expire(0, before)

    return Member(consumer, expire)


@pytest.fixture(params=["kafka_member", "memory_member"])
def member(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def open_at(consumer: Consumer, offset: int) -> None:
    consumer.open(0, offset, epoch=consumer.epoch)


async def fetched(consumer: Consumer, count: int) -> list[bytes | None]:
    """The values of the next records."""
    found: list[bytes | None] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            each = await consumer.fetch(0.1)
            found += [record.value for record in each.records.get(0, ())]
            assert each.is_full == (len(each.records.get(0, ())) == MAX_RECORDS)
    return found


async def test_records_come_in_order_from_where_a_partition_was_opened(member: Member) -> None:
    consumer = member.consumer
    open_at(consumer, 1)
    assert await fetched(consumer, 3) == VALUES[1:]
    assert (await consumer.fetch(0.1)).positions == {0: 4}


@pytest.mark.parametrize(("interval_s", "first"), [(math.inf, {0: 4}), (0, {0: 4, 1: 0})])
async def test_partitions_without_records_have_a_position_now_and_then(
    member: Member,
    monkeypatch: pytest.MonkeyPatch,
    interval_s: float,
    first: Mapping[int, int],
) -> None:
    monkeypatch.setattr("milepost.consumer.LOOK_INTERVAL_S", interval_s)
    consumer = member.consumer
    open_at(consumer, 4 - MAX_RECORDS + 1)
    consumer.open(1, 0, epoch=consumer.epoch)
    assert (await consumer.fetch(30)).positions == first
    assert (await consumer.fetch(0.1)).positions == {0: 4, 1: 0}


async def test_after_a_full_fetch_every_partition_has_a_position(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milepost.consumer.LOOK_INTERVAL_S", math.inf)
    consumer = member.consumer
    open_at(consumer, 4 - MAX_RECORDS - 1)
    consumer.open(1, 0, epoch=consumer.epoch)
    full = await consumer.fetch(30)
    assert (full.is_full, full.positions) == (True, {0: 3, 1: 0})
    last = await consumer.fetch(30)
    assert (last.is_full, last.positions) == (False, {0: 4, 1: 0})


async def test_a_closed_partition_delivers_nothing_and_may_be_opened_anywhere(
    member: Member,
) -> None:
    consumer = member.consumer
    open_at(consumer, 0)
    await fetched(consumer, 1)
    consumer.close(0)
    closed = await consumer.fetch(0.1)
    assert (closed.records, closed.positions) == ({}, {})
    open_at(consumer, 3)
    assert await fetched(consumer, 1) == [b"d"]


async def test_what_was_committed_is_known(member: Member) -> None:
    consumer = member.consumer
    assert await consumer.committed([0, 1]) == {0: None, 1: None}
    assert await consumer.commit({0: 2}, epoch=consumer.epoch)
    assert await consumer.committed([0, 1]) == {0: 2, 1: None}


async def test_notes_go_with_what_is_committed(member: Member) -> None:
    consumer = member.consumer
    assert await consumer.notes() == {}
    for number, note in enumerate(("7", "8")):
        consumer.note = note
        assert await consumer.commit({number: 2}, epoch=consumer.epoch)
    assert await consumer.notes() == {0: "7", 1: "8"}


async def test_a_partition_that_is_not_the_members_own_cannot_be_committed(
    member: Member,
) -> None:
    consumer = member.consumer
    assert not await consumer.commit({7: 2}, epoch=consumer.epoch)


async def test_the_log_is_read_without_a_group(member: Member) -> None:
    log = member.consumer.log
    assert await log.end_offsets([0, 1]) == {0: 4, 1: 0}
    assert await log.beginning_offsets([0, 1]) == {0: 0, 1: 0}
    record = await log.record(0, 2)
    assert record is not None
    assert (record.offset, record.value) == (2, b"c")
    records, position = await log.records(0, 1, 2)
    assert ([record.value for record in records], position) == ([b"b", b"c"], 3)


async def test_what_retention_took_away_closes_the_partition(member: Member) -> None:
    consumer = member.consumer
    await member.expire(2)
    open_at(consumer, 0)
    async with asyncio.timeout(60):
        while consumer.opened:
            await consumer.fetch(0.1)
    assert await consumer.log.beginning_offsets([0]) == {0: 2}
    with pytest.raises(ConsumerError):
        await consumer.log.record(0, 1)
