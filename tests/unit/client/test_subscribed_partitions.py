import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from milepost.connection import KafkaSettings
from milepost.consumer import Consumer, Fetched, Record
from milepost.subscribed_partitions import SubscribedPartitions


@dataclass(frozen=True)
class At:
    """As much of a record as matters here."""

    offset: int


RECORDS = cast("Sequence[Record]", [At(0), At(1)])


@pytest.fixture
def consumer() -> Consumer:
    """Connected to nothing."""
    return Consumer(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "statuses", "group")


async def test_partitions_wait_for_the_caller_before_they_go(consumer: Consumer) -> None:
    async with SubscribedPartitions(consumer, is_grouped=True) as partitions:
        with partitions.waiting_for_the_caller():
            going = asyncio.create_task(consumer.give_up())
            done, _ = await asyncio.wait([going], timeout=0.2)
            assert (done, consumer.epoch) == (set(), 0)
        await going
        assert consumer.epoch == 1


async def test_nothing_more_is_told_of_partitions_that_are_about_to_go(consumer: Consumer) -> None:
    async with SubscribedPartitions(consumer, is_grouped=True) as partitions:
        fetched = Fetched(0, {0: RECORDS}, {0: 2})
        untold = partitions.each_of(fetched)
        assert next(untold) == (0, RECORDS[0])
        with partitions.waiting_for_the_caller():
            going = asyncio.create_task(consumer.give_up())
            await asyncio.wait([going], timeout=0.1)
            assert list(untold) == []
        await going
        assert list(partitions.each_of(fetched)) == []
