import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient

from milepost import DeletedFile, FileDocument, KafkaSettings, subscribe
from milepost.consumer import Consumer
from milepost.errors import ConsumerError, KafkaUnavailableError
from milepost.subscribed_partitions import SubscribedPartitions
from milepost.subscription import Change, Subscription
from milepost_local.ports import free_port
from milepost_local.servers import Server
from milepost_schemas.status_record import REVISION_HEADER
from tests.fixtures.statuses import PARTITIONS, StatusEntry, Statuses, said
from tests.fixtures.waiting import until

FILES = [f"file_{number}" for number in range(20)]
"""Enough for some in each partition."""


@pytest.fixture
async def statuses(kafka: Server, unique: str) -> Statuses:
    made = Statuses(kafka.address, unique)
    await made.create()
    return made


def subscription(
    statuses: Statuses, *, group_id: str | None = None, live: bool = True
) -> Subscription:
    return subscribe(statuses.connection, topic=statuses.name, group_id=group_id, live=live)


async def world_of(statuses: Statuses, *, group_id: str | None = None) -> list[Change]:
    async with asyncio.timeout(60):
        return [change async for change in subscription(statuses, group_id=group_id, live=False)]


@asynccontextmanager
async def collecting(changes: Subscription) -> AsyncIterator[list[Change]]:
    """All that is told inside the block."""
    told: list[Change] = []

    async def collect() -> None:
        async for change in changes:
            told.append(change)  # noqa: PERF401  to be looked at meanwhile

    task = asyncio.create_task(collect())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


def versions(changes: list[Change]) -> list[tuple[str, int, int]]:
    return [(change.document.file_id, *change.version) for change in changes]


async def committed(statuses: Statuses, group_id: str) -> dict[int, int | None]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=statuses.connection.bootstrap_servers,
        group_id=group_id,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        every = [TopicPartition(statuses.name, number) for number in range(PARTITIONS)]
        return {at.partition: await consumer.committed(at) for at in every}
    finally:
        await consumer.stop()


def group_state(statuses: Statuses, group_id: str) -> str:
    admin = AdminClient({"bootstrap.servers": statuses.connection.bootstrap_servers})
    described = admin.describe_consumer_groups([group_id])[group_id].result(30)
    name: str = described.state.name
    return name


async def test_first_comes_the_world_and_then_what_happens(statuses: Statuses) -> None:
    await statuses.publish(*(said(file_id, 1) for file_id in FILES))
    changes = subscription(statuses)
    async with collecting(changes) as told:
        await asyncio.wait_for(changes.world_told.wait(), 60)
        assert sorted(versions(told)) == sorted((file_id, 1, 1) for file_id in FILES)
        assert {change.position.partition for change in told} == set(range(PARTITIONS))

        await statuses.publish(said(FILES[7], 2))
        await until(lambda: len(told) > len(FILES), within_s=60)

    change = told[-1]
    assert isinstance(change.document, FileDocument)
    assert (change.key, change.version) == (f"vs_1/{FILES[7]}", (1, 2))
    assert change.position.topic == statuses.name


async def test_the_world_is_told_when_the_last_of_it_was_handled(statuses: Statuses) -> None:
    for revision in range(1, 7):
        # More than one fetch brings.
        await statuses.publish(said("file_1", revision, name="n" * 100_000))
    changes = subscription(statuses, live=False)
    revisions = []
    async with asyncio.timeout(60):
        async for change in changes:
            assert not changes.world_told.is_set()
            revisions.append(change.revision)
    assert revisions == [1, 2, 3, 4, 5, 6]
    assert changes.world_told.is_set()


async def test_an_empty_topic_is_a_world_too(statuses: Statuses) -> None:
    assert await world_of(statuses) == []


async def test_what_was_aborted_is_not_told_and_stops_nobody(statuses: Statuses) -> None:
    await statuses.publish(*(said(file_id, 1) for file_id in FILES))
    await statuses.abort(*(said(file_id, 2) for file_id in FILES))

    assert {change.revision for change in await world_of(statuses)} == {1}

    await statuses.publish(said(FILES[0], 3))
    assert (FILES[0], 1, 3) in versions(await world_of(statuses))


async def test_what_is_as_old_as_what_was_told_is_dropped(statuses: Statuses) -> None:
    for revision, generation in ((1, 1), (3, 1), (2, 1), (3, 1), (1, 2), (4, 1), (2, 2)):
        await statuses.publish(said("file_1", revision, generation=generation))

    changes = subscription(statuses, live=False)
    told = [change.version async for change in changes]

    assert told == [(1, 1), (1, 3), (2, 1), (2, 2)]
    assert changes.skipped == {"old": 3}


async def test_a_deleted_file_leaves_a_marker(statuses: Statuses) -> None:
    await statuses.publish(said("file_1", 1), said("file_1", 2, deleted_at=1_750_000_000))

    present, deleted = await world_of(statuses)

    assert isinstance(present.document, FileDocument)
    assert isinstance(deleted.document, DeletedFile)
    assert (deleted.key, deleted.version) == ("vs_1/file_1", (1, 2))


async def test_what_cannot_be_read_is_counted_and_stops_nobody(
    statuses: Statuses, caplog: pytest.LogCaptureFixture
) -> None:
    good = said("file_1", 2)
    for entry in (
        said("file_1", 1),
        StatusEntry(b"vs_1/file_1", None),
        StatusEntry(b"vs_1/file_1", b"no JSON", good.headers),
        StatusEntry(b"vs_1/file_1", b"\xff", good.headers),
        StatusEntry(b"vs_1/file_1", b"{}", good.headers),
        StatusEntry(b"vs_1/file_1", good.value),
        StatusEntry(b"vs_1/file_1", good.value, said("file_1", 3).headers),
        StatusEntry(b"vs_1/another", good.value, good.headers),
        good,
    ):
        await statuses.publish(entry, partition=1)

    changes = subscription(statuses, live=False)
    with caplog.at_level(logging.WARNING, "milepost"):
        told = [change.version async for change in changes]

    assert told == [(1, 1), (1, 2)]
    assert changes.skipped == {"tombstone": 1, "unreadable": 6}
    assert len(caplog.messages) == 7
    assert caplog.messages[0] == f"{statuses.name} 1 2 is skipped: no value"


async def test_without_a_group_each_begins_at_the_beginning(statuses: Statuses) -> None:
    await statuses.publish(said("file_1", 1))

    assert versions(await world_of(statuses)) == versions(await world_of(statuses))


async def test_a_group_goes_on_where_it_stopped(statuses: Statuses, unique: str) -> None:
    await statuses.publish(*(said(file_id, 1) for file_id in FILES))
    assert len(await world_of(statuses, group_id=unique)) == len(FILES)

    await statuses.publish(said(FILES[3], 2))

    assert versions(await world_of(statuses, group_id=unique)) == [(FILES[3], 1, 2)]
    assert await world_of(statuses, group_id=unique) == []
    assert len(await world_of(statuses, group_id=f"{unique}.other")) == len(FILES) + 1


async def test_a_change_that_was_not_handled_comes_again(statuses: Statuses, unique: str) -> None:
    for revision in range(1, 6):
        await statuses.publish(said("file_1", revision))

    async def crash_at_the_third() -> None:
        async with aclosing(aiter(subscription(statuses, group_id=unique))) as changes:
            async for change in changes:
                if change.revision == 3:
                    raise ConnectionError("the caller's own trouble")

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(crash_at_the_third(), 60)

    assert [c.revision for c in await world_of(statuses, group_id=unique)] == [3, 4, 5]


async def test_an_idle_member_has_committed_all_that_was_handled(
    statuses: Statuses, unique: str
) -> None:
    await statuses.publish(said("file_1", 1))
    async with (
        collecting(subscription(statuses, group_id=unique)) as told,
        asyncio.timeout(60),
    ):
        await until(lambda: told)
        number = told[0].position.partition
        # Behind the record stands the end of its transaction.
        while (await committed(statuses, unique))[number] != 2:
            pass


async def test_two_members_share_the_partitions_and_one_takes_over(
    statuses: Statuses, unique: str
) -> None:
    first, second = (subscription(statuses, group_id=unique) for _ in range(2))
    async with collecting(first) as by_first:
        await statuses.publish(*(said(file_id, 1) for file_id in FILES))
        await until(lambda: len(by_first) == len(FILES), within_s=60)
        async with collecting(second) as by_second:
            await asyncio.wait_for(second.world_told.wait(), 60)
            await statuses.publish(*(said(file_id, 2) for file_id in FILES))
            await until(lambda: len(by_first) + len(by_second) >= 2 * len(FILES), within_s=60)
        await statuses.publish(*(said(file_id, 3) for file_id in FILES))
        await until(lambda: len(by_first) + len(by_second) >= 3 * len(FILES), within_s=60)

    assert {change.revision for change in by_second} == {2}
    assert sorted(versions(by_first + by_second)) == sorted(
        (file_id, 1, revision) for file_id in FILES for revision in (1, 2, 3)
    )


async def test_partitions_wait_for_the_change_in_hand_before_they_go(
    statuses: Statuses, unique: str
) -> None:
    await statuses.publish(said("file_1", 1))
    second = subscription(statuses, group_id=unique)
    async with aclosing(aiter(subscription(statuses, group_id=unique))) as changes:
        in_hand = await asyncio.wait_for(anext(changes), 60)
        async with collecting(second) as by_second:
            await until(lambda: group_state(statuses, unique) == "PREPARING_REBALANCING")
            assert not second.world_told.is_set()

            going_on = asyncio.create_task(anext(changes))
            await asyncio.wait_for(second.world_told.wait(), 60)
            await statuses.publish(*(said(file_id, 2) for file_id in FILES))
            await asyncio.wait_for(going_on, 60)
            await until(lambda: bool(by_second))
    assert (in_hand.document.file_id, in_hand.revision) == ("file_1", 1)
    assert {change.revision for change in by_second} == {2}


@pytest.mark.parametrize("group_id", [None, "a group"])
async def test_a_client_that_has_died_without_a_word_is_replaced_where_it_was(
    statuses: Statuses, unique: str, group_id: str | None
) -> None:
    group_id = group_id and unique
    revisions: list[int] = []

    async def next_fetch(consumer: Consumer, partitions: SubscribedPartitions) -> None:
        await partitions.open_pending()
        fetched = await consumer.fetch(0.05)
        for number, record in partitions.each_of(fetched):
            revisions.append(int(dict(record.headers)[REVISION_HEADER]))
            await partitions.handled(number, record.offset + 1)
        await partitions.passed(fetched)

    await statuses.publish(said("file_1", 1))
    async with (
        Consumer(statuses.connection, statuses.name, group_id, stuck_after_s=0.5) as consumer,
        SubscribedPartitions(consumer, is_grouped=group_id is not None) as partitions,
        asyncio.timeout(60),
    ):
        while not partitions.are_at_the_world:
            await next_fetch(consumer, partitions)
        consumer._client._fetcher._fetch_task.cancel()
        published = 1
        # What was on its way when the task died may still arrive.
        while not consumer.rebuilds or len(revisions) < published:
            if len(revisions) == published:
                published += 1
                await statuses.publish(said("file_1", published))
            await next_fetch(consumer, partitions)
        assert revisions == [*range(1, published + 1)]


async def test_leaving_the_loop_leaves_nothing_behind(statuses: Statuses) -> None:
    await statuses.publish(said("file_1", 1))
    before = asyncio.all_tasks()
    async for _ in subscription(statuses):
        break
    await until(lambda: asyncio.all_tasks() == before, within_s=60)


async def test_a_topic_that_is_not_there_is_named(statuses: Statuses) -> None:
    changes = subscribe(statuses.connection, topic=f"{statuses.name}.missing")

    with pytest.raises(ConsumerError, match=rf"{statuses.name}\.missing"):
        await anext(aiter(changes))


async def test_a_kafka_that_does_not_answer_at_the_start_is_an_error() -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    with pytest.raises(KafkaUnavailableError):
        await anext(aiter(subscribe(nowhere)))
