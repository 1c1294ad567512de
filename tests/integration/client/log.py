"""The records of a topic, read back without any code of the client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from milepost_local.providers import own_kafka
from milepost_local.servers import OwnServer
from milepost_local.settings import LocalSettings


async def read_log(address: str, topic: str) -> list[ConsumerRecord]:
    """Every record of the topic, in the order of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.set_topics([topic])
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        records: list[ConsumerRecord] = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def breakable_kafka(directory: Path) -> AsyncIterator[OwnServer]:
    """A Kafka of the test's own, which may be killed."""
    server = own_kafka(directory, LocalSettings())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
