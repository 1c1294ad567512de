"""What messages come to that only librdkafka can make: ends of partitions, and errors."""

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError
from milepost_projector.rebuild.log_batches import LogBatches

END = KafkaError(KafkaError._PARTITION_EOF)


class Library:
    """Stands in for librdkafka's consumer, with one batch of messages."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.paused: list[int] = []
        self._messages = messages

    def assign(self, _: Sequence[TopicPartition]) -> None:
        pass

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused += [at.partition for at in partitions]

    def consume(self, _wanted: int, _timeout_s: float) -> Sequence[Message]:
        return self._messages


def record(partition: int, offset: int) -> Message:
    return Message(topic="log", partition=partition, offset=offset, timestamp=(1, 0), value=b"{}")


def end(partition: int, offset: int) -> Message:
    return Message(topic="log", partition=partition, offset=offset, error=END)


async def positions(*messages: Message) -> dict[int, int]:
    """Where two partitions of ten offsets go on after these messages."""
    batches: Any = LogBatches(KafkaSettings(bootstrap_servers="nowhere:1"), "log")
    batches._consumer.close()
    batches._consumer = Library(messages)
    batches.seek({0: (0, 10), 1: (0, 10)})
    found = await batches.next()
    return {number: part.position for number, part in found.items()}


async def test_marks_of_transactions_behind_the_last_record_are_passed() -> None:
    assert await positions(record(0, 3), end(0, 6), record(1, 2)) == {0: 6, 1: 3}


async def test_records_after_an_end_count_more_than_the_end() -> None:
    assert await positions(end(0, 3), record(0, 3), record(0, 4)) == {0: 5}


async def test_an_end_alone_moves_the_position() -> None:
    assert await positions(end(1, 10)) == {1: 10}


async def test_an_error_of_the_client_is_its_own_business() -> None:
    lost = Message(topic="log", partition=-1, error=KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert await positions(lost, record(0, 3)) == {0: 4}


async def test_an_error_of_a_partition_is_raised() -> None:
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(ConsumerError, match="log 1"):
        await positions(Message(topic="log", partition=1, error=gone))
