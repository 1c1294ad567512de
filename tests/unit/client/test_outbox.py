import asyncio

import pytest

from milepost.errors import PublishTimeoutError
from milepost.outbox import Outbox, Pending, Position
from milepost.producer import choose_partition
from milepost_schemas.topics import partition_of

POSITION = Position("log", 0, 7)


def pending(value: bytes) -> Pending:
    return Pending((b"k", value, []), "log", asyncio.get_running_loop().create_future())


async def test_what_a_lost_producer_had_goes_before_what_waits() -> None:
    outbox = Outbox(10)
    records = [pending(b"%d" % n) for n in range(4)]
    for record in records:
        outbox.add(record)
    for record in records[:2]:
        outbox.mark_sent(record, asyncio.get_running_loop().create_future())

    assert await outbox.oldest() is records[2]
    outbox.take_back()

    assert await outbox.oldest() is records[0]
    assert list(outbox) == records
    assert [record.sent for record in records] == [None] * 4


async def test_an_acknowledged_record_is_never_sent_again() -> None:
    outbox = Outbox(10)
    first, second = pending(b"1"), pending(b"2")
    outbox.add(first)
    outbox.add(second)
    outbox.mark_sent(first, asyncio.get_running_loop().create_future())

    outbox.settle(first, POSITION)
    outbox.take_back()

    assert list(outbox) == [second]
    assert first.acknowledged.result() == POSITION


async def test_a_record_that_expired_while_it_was_handed_over_is_forgotten() -> None:
    outbox = Outbox(10)
    record = pending(b"1")
    outbox.add(record)
    outbox.settle(record, PublishTimeoutError("log", 1, None))

    outbox.mark_sent(record, asyncio.get_running_loop().create_future())
    outbox.take_back()

    assert list(outbox) == []
    with pytest.raises(PublishTimeoutError):
        record.acknowledged.result()


async def test_a_record_is_settled_once_and_gives_its_room_back_once() -> None:
    outbox = Outbox(1)
    await outbox.room.acquire()
    record = pending(b"1")
    outbox.add(record)

    outbox.settle(record, POSITION)
    outbox.settle(record, PublishTimeoutError("log", 1, None))

    assert record.acknowledged.result() == POSITION
    await outbox.room.acquire()
    assert outbox.room.locked()


async def test_waiting_for_the_oldest_record_ends_when_there_is_one() -> None:
    outbox = Outbox(1)
    oldest = asyncio.create_task(outbox.oldest())
    await asyncio.sleep(0)
    assert not oldest.done()

    record = pending(b"1")
    outbox.add(record)

    assert await oldest is record


def test_partitions_are_chosen_by_the_contract() -> None:
    for n in range(100):
        key = b"vs_1/file_%d" % n
        assert choose_partition(key, range(12), [3]) == partition_of(key, 12)


def test_without_a_key_any_available_partition_will_do() -> None:
    assert choose_partition(None, range(12), [3]) == 3
    assert choose_partition(None, range(12), []) in range(12)
