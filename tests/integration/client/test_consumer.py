import asyncio
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.errors import ConsumerError
from milepost.log_reader import abandon
from milepost_local.ports import free_port
from milepost_local.servers import Server
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.topics import Topic
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing
from tests.integration.client.background_tasks import kill_tasks
from tests.integration.client.log import breakable_kafka

BOTH = frozenset({0, 1})


class Log:
    """A topic of the test's own with two partitions."""

    def __init__(self, address: str, name: str) -> None:
        self.connection = KafkaSettings(bootstrap_servers=address)
        self.name = name
        self._publishing = Publishing(address, name)

    async def create(self) -> None:
        await create_topics(self.connection, [Topic(self.name, 2, {})])

    async def append(self, *values: bytes, partition: int = 0) -> None:
        for value in values:
            self._publishing.publish(EncodedRecord(b"key", value, []), partition=partition)
        await asyncio.to_thread(self._publishing.flush)

    def consumer(self, *, stuck_after_s: float = 30.0) -> Consumer:
        return Consumer(self.connection, self.name, self.name, stuck_after_s=stuck_after_s)


@pytest.fixture
async def log(kafka: Server, unique: str) -> Log:
    made = Log(kafka.address, unique)
    await made.create()
    return made


def open_all(consumer: Consumer, offset: int = 0) -> None:
    for partition in consumer.pending:
        consumer.open(partition, offset, epoch=consumer.epoch)


async def next_values(consumer: Consumer, count: int) -> list[bytes | None]:
    """The values of the next records, whatever their partition; partitions stay as they are."""
    found: list[bytes | None] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            fetched = await consumer.fetch(0.1)
            found += [record.value for each in fetched.records.values() for record in each]
    return found


async def keep_fetching(consumer: Consumer, condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await consumer.fetch(0.05)


async def holds(consumer: Consumer, partitions: Collection[int]) -> None:
    await until(lambda: consumer.pending | consumer.opened == set(partitions))


async def test_a_partition_delivers_nothing_until_it_is_opened(log: Log) -> None:
    await log.append(b"a", partition=0)
    await log.append(b"b", partition=1)
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        fetched = await consumer.fetch(0.5)
        assert (fetched.records, fetched.positions) == ({}, {})
        assert (consumer.pending, consumer.opened) == (BOTH, frozenset())

        consumer.open(1, 0, epoch=consumer.epoch)
        assert await next_values(consumer, 1) == [b"b"]
        assert (consumer.pending, consumer.opened) == (frozenset({0}), frozenset({1}))


async def test_a_member_knows_whether_the_group_has_decided(log: Log) -> None:
    consumer = log.consumer()
    assert not consumer.is_assigned
    async with consumer, log.consumer() as second, log.consumer() as third:
        everybody = (consumer, second, third)
        await until(lambda: [*map(owns_none, everybody)].count(True) == 1)
        await until(lambda: all(each.is_assigned for each in everybody))
        consumer.release()
        assert not consumer.is_assigned


def owns_none(consumer: Consumer) -> bool:
    return consumer.is_assigned and not consumer.pending


async def test_a_partition_delivers_from_where_it_is_opened(log: Log) -> None:
    await log.append(b"a", b"b", b"c")
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        consumer.open(0, 2, epoch=consumer.epoch)
        assert await next_values(consumer, 1) == [b"c"]
        assert (await consumer.fetch(0.1)).positions == {0: 3}


async def test_a_closed_partition_delivers_nothing_until_it_is_opened_again(log: Log) -> None:
    await log.append(b"a", b"b", b"c")
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        assert await next_values(consumer, 3) == [b"a", b"b", b"c"]
        consumer.close(0)
        await log.append(b"d")
        fetched = await consumer.fetch(0.5)
        assert (fetched.records, set(fetched.positions)) == ({}, {1})

        consumer.open(0, 1, epoch=consumer.epoch)
        assert await next_values(consumer, 3) == [b"b", b"c", b"d"]


async def test_a_partition_that_is_closed_while_a_fetch_is_under_way_is_not_in_it(
    log: Log,
) -> None:
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        fetching = asyncio.create_task(consumer.fetch(5.0))
        await until(lambda: consumer._client._subscription.fetcher_idle_time == 0)
        consumer.close(0)
        await log.append(b"a", partition=0)
        await log.append(b"b", partition=1)
        assert set((await fetching).positions) == {1}


async def test_a_rebalance_changes_the_epoch_and_closes_every_partition(log: Log) -> None:
    async with log.consumer() as first:
        await holds(first, BOTH)
        open_all(first)
        epoch = first.epoch
        async with log.consumer() as second:
            await until(lambda: len(first.pending) == len(second.pending) == 1)
            assert first.epoch > epoch
            assert not first.opened
            assert first.pending | second.pending == BOTH
        await holds(first, BOTH)
        assert not first.opened


async def test_what_belongs_to_an_old_epoch_is_dropped(log: Log) -> None:
    await log.append(b"a")
    async with log.consumer() as first, AsyncExitStack() as stack:
        await holds(first, BOTH)
        open_all(first)
        old = first.epoch
        second = await stack.enter_async_context(log.consumer())
        await until(lambda: len(first.pending) == len(second.pending) == 1)
        await stack.aclose()
        await holds(first, BOTH)

        first.open(0, 0, epoch=old)
        assert not first.opened
        assert not await first.commit({0: 1}, epoch=old)
        assert await first.committed([0]) == {0: None}
        assert await first.commit({0: 1}, epoch=first.epoch)
        assert await first.committed(BOTH) == {0: 1, 1: None}


async def test_an_owner_finishes_its_work_before_another_gets_its_partitions(log: Log) -> None:
    asked, finished = asyncio.Event(), asyncio.Event()

    async def finish() -> None:
        asked.set()
        await finished.wait()

    async with log.consumer() as first:
        await holds(first, BOTH)
        open_all(first)
        epoch = first.epoch
        first.before_giving_up(finish)
        second = log.consumer()
        joining = asyncio.create_task(second.__aenter__())
        await until(asked.is_set)
        assert (first.epoch, first.opened, second.pending) == (epoch, BOTH, frozenset())
        finished.set()
        await joining
        await until(lambda: len(first.pending) == len(second.pending) == 1)
        assert first.epoch > epoch
        await second.__aexit__()


async def test_an_offset_that_the_log_does_not_have_closes_the_partition(log: Log) -> None:
    await log.append(b"a", partition=0)
    await log.append(b"b", partition=1)
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        consumer.open(0, 1_000, epoch=consumer.epoch)
        consumer.open(1, 0, epoch=consumer.epoch)
        await keep_fetching(consumer, lambda: consumer.pending == {0})
        assert consumer.opened == {1}
        await log.append(b"c", partition=1)
        await keep_fetching(consumer, lambda: consumer._known_position(1) == 2)

        consumer.open(0, 0, epoch=consumer.epoch)
        assert await next_values(consumer, 1) == [b"a"]


async def test_a_client_that_can_commit_no_more_is_replaced(log: Log) -> None:
    async with log.consumer(stuck_after_s=0.5) as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        await consumer._client._coordinator._commit_lock.acquire()

        async with asyncio.timeout(30):
            while not consumer.rebuilds:
                assert not await consumer.commit({0: 1}, epoch=consumer.epoch)
                await consumer.fetch(0.05)
        await holds(consumer, BOTH)
        assert await consumer.commit({0: 1}, epoch=consumer.epoch)


async def test_a_client_that_has_died_without_a_word_is_replaced(log: Log) -> None:
    async with log.consumer(stuck_after_s=0.5) as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        await log.append(b"a")
        assert await next_values(consumer, 1) == [b"a"]
        epoch = consumer.epoch

        consumer._client._fetcher._fetch_task.cancel()
        await log.append(b"b")
        await keep_fetching(consumer, lambda: consumer.pending == BOTH)
        assert (consumer.rebuilds, consumer.epoch > epoch) == (1, True)
        open_all(consumer, offset=0)
        assert await next_values(consumer, 2) == [b"a", b"b"]


async def test_a_client_that_takes_no_part_in_its_group_any_more_is_replaced(log: Log) -> None:
    async with log.consumer() as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        for routine in ("_coordination_routine", "_heartbeat_routine"):
            await kill_tasks(f"GroupCoordinator.{routine}")

        await log.append(b"a")
        await keep_fetching(consumer, lambda: consumer.pending == BOTH)
        assert consumer.rebuilds == 1
        open_all(consumer)
        assert await next_values(consumer, 1) == [b"a"]
        assert await consumer.commit({0: 1}, epoch=consumer.epoch)


async def test_a_client_at_the_end_of_the_log_is_left_alone(log: Log) -> None:
    async with log.consumer(stuck_after_s=0.2) as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        await log.append(b"a")
        assert await next_values(consumer, 1) == [b"a"]
        for _ in range(20):
            await consumer.fetch(0.05)
        assert consumer.rebuilds == 0


async def test_a_client_whose_owner_is_busy_is_left_alone(log: Log) -> None:
    async with log.consumer(stuck_after_s=0.2) as consumer:
        await holds(consumer, BOTH)
        open_all(consumer)
        await log.append(b"a")
        watched = asyncio.get_running_loop().time() + 1.0
        await until(lambda: asyncio.get_running_loop().time() > watched)
        assert await next_values(consumer, 1) == [b"a"]
        assert consumer.rebuilds == 0


async def test_a_dead_client_is_no_error_while_kafka_is_away(tmp_path: Path, unique: str) -> None:
    async with breakable_kafka(tmp_path) as kafka:
        log = Log(kafka.address, unique)
        await log.create()
        async with log.consumer(stuck_after_s=0.2) as consumer:
            await holds(consumer, BOTH)
            open_all(consumer)
            consumer._client._fetcher._fetch_task.cancel()
            await log.append(b"a")
            await keep_fetching(consumer, lambda: consumer._stuck)
            kafka.kill()
            for tries in (1, 2):
                assert (await consumer.fetch(0.1)).records == {}
                assert consumer.rebuilds == tries


async def test_a_consumer_that_cannot_start_leaves_no_client_behind(
    kafka: Server, unique: str
) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ConsumerError, match="no topic"):
        async with Consumer(KafkaSettings(bootstrap_servers=kafka.address), unique, None):
            pass
    assert asyncio.all_tasks() == before


async def test_a_consumer_that_cannot_be_rebuilt_pauses_before_it_tries_again(
    unique: str,
) -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    consumer = Consumer(nowhere, unique, unique)
    consumer._stuck = True
    consumer._client = AIOKafkaConsumer()
    clock = asyncio.get_running_loop().time
    began = clock()
    await consumer.fetch(0.5)
    assert clock() - began >= 0.5
    await abandon(consumer._client)
