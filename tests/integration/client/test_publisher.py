import asyncio
import os
from collections import defaultdict
from pathlib import Path

import pytest

from milepost import KafkaSettings, Publisher, create_topics
from milepost.errors import (
    EventsLostError,
    NotOpenError,
    PublishTimeoutError,
    RecordTooLargeError,
)
from milepost.publisher import Position, Record
from milepost_local.ports import free_port
from milepost_local.servers import Server
from milepost_schemas.topics import Topic, partition_of
from tests.fixtures.waiting import until
from tests.integration.client.background_tasks import kill_tasks
from tests.integration.client.log import breakable_kafka, read_log


@pytest.fixture
async def topic(kafka: Server, unique: str) -> str:
    topics = [Topic(unique, 12, {"max.message.bytes": "2000"})]
    await create_topics(KafkaSettings(bootstrap_servers=kafka.address), topics)
    return unique


@pytest.fixture
def connection(kafka: Server) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.address)


async def test_a_published_record_stands_where_publish_said(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection) as publisher:
        position = await publisher.publish((b"vs_1/file_1", b"value", [("h", b"1")]), topic)

    (record,) = await read_log(kafka.address, topic)
    assert (record.topic, record.partition, record.offset) == position
    assert record.partition == partition_of(b"vs_1/file_1", 12)
    assert (record.key, record.value, record.headers) == (b"vs_1/file_1", b"value", (("h", b"1"),))


@pytest.mark.parametrize(
    "record", [(None, None, [("h", None)]), (None, b"v", []), (b"k", None, []), (b"", b"", [])]
)
async def test_a_record_keeps_what_it_lacks(
    kafka: Server,
    connection: KafkaSettings,
    topic: str,
    record: tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]],
) -> None:
    async with Publisher(connection) as publisher:
        await publisher.publish(record, topic)

    (read,) = await read_log(kafka.address, topic)
    assert (read.key, read.value, list(read.headers)) == record


async def test_the_records_of_a_key_keep_the_order_of_the_calls_under_load(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection, capacity=100) as publisher, asyncio.TaskGroup() as tasks:
        for n in range(4_000):
            tasks.create_task(publisher.publish((b"key-%d" % (n % 20), b"%d" % n, []), topic))

    assert await _numbers_by_key(kafka.address, topic) == {
        b"key-%d" % k: list(range(k, 4_000, 20)) for k in range(20)
    }


async def test_a_record_above_the_limit_is_refused_before_it_is_sent(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection, max_record_bytes=1_000) as publisher:
        with pytest.raises(RecordTooLargeError, match="allowed 1000"):
            await publisher.publish((b"k", os.urandom(1_500), []), topic)

    assert await read_log(kafka.address, topic) == []


async def test_records_go_on_after_one_that_the_brokers_rejected(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection, deadline_s=10) as publisher:
        await publisher.publish((b"k", b"0", []), topic)
        with pytest.raises(RecordTooLargeError):
            await publisher.publish((b"k", os.urandom(5_000), []), topic)
        await publisher.publish((b"k", b"1", []), topic)

    assert await _numbers_by_key(kafka.address, topic) == {b"k": [0, 1]}


async def test_a_topic_that_does_not_exist_is_a_timeout_and_blocks_nothing_for_good(
    connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection, deadline_s=0.5) as publisher:
        with pytest.raises(PublishTimeoutError, match="nowhere"):
            await publisher.publish((b"k", b"v", []), "nowhere")
        await _published_at_last(publisher, topic, within_s=5)


async def test_brokers_that_never_answer_are_a_timeout_that_names_the_cause() -> None:
    connection = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    async with Publisher(connection, deadline_s=0.5) as publisher:
        with pytest.raises(PublishTimeoutError, match="Unable to bootstrap"):
            await publisher.publish((b"k", b"v", []))


async def test_a_cancelled_call_does_not_take_the_record_back(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection) as publisher:
        call = asyncio.create_task(publisher.publish((b"k", b"7", []), topic))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])

    assert call.cancelled()
    assert await _numbers_by_key(kafka.address, topic) == {b"k": [7]}


async def test_a_closed_publisher_publishes_nothing(connection: KafkaSettings) -> None:
    publisher = Publisher(connection)
    with pytest.raises(NotOpenError):
        await publisher.publish((b"k", b"v", []))
    async with publisher:
        pass
    with pytest.raises(NotOpenError):
        await publisher.publish((b"k", b"v", []))


async def test_a_killed_broker_costs_no_acknowledged_record_and_no_order(tmp_path: Path) -> None:
    async with breakable_kafka(tmp_path) as kafka:
        connection = KafkaSettings(bootstrap_servers=kafka.address)
        await create_topics(connection, [Topic("log", 4, {})])
        acknowledged: dict[bytes, list[int]] = defaultdict(list)
        done = asyncio.Event()

        async def publish_numbers(publisher: Publisher, key: bytes) -> None:
            n = 0
            while not done.is_set():
                await publisher.publish((key, b"%d" % n, []), "log")
                acknowledged[key].append(n)
                n += 1

        async with Publisher(connection) as publisher, asyncio.TaskGroup() as tasks:
            for k in range(20):
                tasks.create_task(publish_numbers(publisher, b"key-%d" % k))
            await until(lambda: _total(acknowledged) > 1_000)
            kafka.kill()
            await kafka.wait()
            await kafka.start()
            before = _total(acknowledged)
            await until(lambda: _total(acknowledged) > before + 1_000)
            done.set()

        written = await _numbers_by_key(kafka.address, "log")
        assert {key: _first_of_each(numbers) for key, numbers in written.items()} == acknowledged


async def test_a_producer_whose_sender_has_died_is_replaced_and_loses_nothing(
    kafka: Server, connection: KafkaSettings, topic: str
) -> None:
    async with Publisher(connection, deadline_s=60) as publisher, asyncio.TaskGroup() as tasks:
        await publisher.publish((b"k", b"0", []), topic)
        for n in range(1, 200):
            tasks.create_task(publisher.publish((b"k", b"%d" % n, []), topic))
            if n % 50 == 0:
                await kill_tasks("Sender._sender_routine")
                await publisher.publish((b"other", b"%d" % n, []), topic)

    written = await _numbers_by_key(kafka.address, topic)
    assert _first_of_each(written[b"k"]) == list(range(200))


async def test_brokers_that_stay_away_are_a_timeout_and_welcome_later(tmp_path: Path) -> None:
    async with breakable_kafka(tmp_path) as kafka:
        connection = KafkaSettings(bootstrap_servers=kafka.address)
        await create_topics(connection, [Topic("log", 4, {})])
        async with Publisher(connection, deadline_s=1) as publisher:
            await publisher.publish((b"k", b"0", []), "log")
            kafka.kill()
            await kafka.wait()
            with pytest.raises(PublishTimeoutError, match="within 1 s"):
                await publisher.publish((b"k", b"1", []), "log")
            await kafka.start()
            await _published_at_last(publisher, "log")


async def test_records_in_flight_when_their_producer_is_replaced_keep_their_order(
    kafka: Server, connection: KafkaSettings, unique: str
) -> None:
    await create_topics(connection, [Topic(unique, 2, {"max.message.bytes": "20000"})])
    keys = [b"key-%d" % k for k in range(20)]
    numbered = [key for key in keys if partition_of(key, 2) == 0]
    rejected = next(key for key in keys if partition_of(key, 2) == 1)
    rejections = []

    async with Publisher(connection, capacity=200) as publisher, asyncio.TaskGroup() as tasks:
        for n in range(2_000):
            tasks.create_task(
                publisher.publish((numbered[n % len(numbered)], b"%d" % n, []), unique)
            )
            if n % 400 == 100:
                record: Record = (rejected, os.urandom(100_000), [])
                rejections.append(tasks.create_task(_refused(publisher, record, unique)))

    assert [task.result() for task in rejections] == [True] * 5
    written = await _numbers_by_key(kafka.address, unique)
    assert {key: _first_of_each(numbers) for key, numbers in written.items()} == {
        key: list(range(k, 2_000, len(numbered))) for k, key in enumerate(numbered)
    }


async def _refused(publisher: Publisher, record: Record, topic: str) -> bool:
    try:
        await publisher.publish(record, topic)
    except RecordTooLargeError:
        return True
    return False


async def test_closing_without_brokers_says_how_many_events_were_lost(tmp_path: Path) -> None:
    async with breakable_kafka(tmp_path) as kafka:
        connection = KafkaSettings(bootstrap_servers=kafka.address)
        await create_topics(connection, [Topic("log", 4, {})])
        calls: list[asyncio.Task[Position]] = []

        async def lose_three() -> None:
            async with Publisher(connection, deadline_s=1) as publisher:
                await publisher.publish((b"k", b"0", []), "log")
                kafka.kill()
                await kafka.wait()
                calls.extend([_start_publishing(publisher) for _ in range(3)])
                await asyncio.sleep(0)

        with pytest.raises(EventsLostError, match=r"3 event\(s\)"):
            await lose_three()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [PublishTimeoutError] * 3


async def test_a_loss_at_close_never_hides_the_error_that_leaves_the_block() -> None:
    connection = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    async def lose_one() -> None:
        async with Publisher(connection, deadline_s=0.2) as publisher:
            _start_publishing(publisher)
            await asyncio.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await lose_one()
    assert caught.value.__notes__ == ["1 event(s) not acknowledged at close"]


def _start_publishing(publisher: Publisher) -> asyncio.Task[Position]:
    return asyncio.create_task(publisher.publish((b"k", b"1", []), "log"))


async def _numbers_by_key(address: str, topic: str) -> dict[bytes, list[int]]:
    numbers = defaultdict(list)
    for record in await read_log(address, topic):
        numbers[record.key].append(int(record.value))
    return dict(numbers)


def _first_of_each(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


def _total(acknowledged: dict[bytes, list[int]]) -> int:
    return sum(map(len, acknowledged.values()))


async def _published_at_last(publisher: Publisher, topic: str, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while True:
            try:
                await publisher.publish((b"k", b"9", []), topic)
            except PublishTimeoutError:
                continue
            return
