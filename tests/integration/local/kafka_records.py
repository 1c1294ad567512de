"""Writes records to a real topic and counts what can be read back."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def publish_records(address: str, topic: str, *, count: int) -> None:
    """Creates the topic with one partition and appends `count` acknowledged records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        for number in range(count):
            await producer.send_and_wait(topic, str(number).encode())


async def count_records(address: str, topic: str) -> int:
    """Reads the topic from its first record to its end."""
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="none") as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        count = 0
        while await consumer.position(partition) < end:
            count += len((await consumer.getmany(timeout_ms=500)).get(partition, []))
    return count
