"""The bare consumer: aiokafka's `getmany`, and the records thrown away."""

import json
import sys
import time
from typing import Final

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from milepost_schemas.topics import PARTITIONS

FETCH_BYTES: Final = 64 * 1024
"""The fastest of 64 KiB to 4 MiB; with the default of 1 MiB it reaches 60 to 70 %."""


async def consume(bootstrap_servers: str, topic: str, total: int) -> dict[str, float]:
    """Events per second, from the first request on."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    started, done = time.perf_counter(), 0
    while done < total:
        done += sum(map(len, (await consumer.getmany(timeout_ms=1_000)).values()))
    seconds = time.perf_counter() - started
    await consumer.stop()
    return {"events_per_s": done / seconds}


if __name__ == "__main__":
    servers, name, count = sys.argv[1:]
    print(json.dumps(uvloop.run(consume(servers, name, int(count)))))
