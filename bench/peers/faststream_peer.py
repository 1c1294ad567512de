"""FastStream on aiokafka: batches without its type conversion, one pipelined script per record."""

from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from redis.asyncio import Redis
from work import NEWEST_WINS, Meter, Task, status_of, type_of

BATCH = 2_000


async def _raw(message: Any) -> Any:
    return message.raw_message


async def main(task: Task) -> None:
    """Consume until all records are written."""
    redis: Any = Redis.from_url(task.redis_url)
    script = await redis.script_load(NEWEST_WINS)
    broker = KafkaBroker(task.brokers, apply_types=False, logger=None)
    app = FastStream(broker, logger=None)
    meter = Meter(task.total)

    @broker.subscriber(
        task.topic,
        group_id=task.prefix,
        batch=True,
        max_records=BATCH,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK,
        decoder=_raw,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=256 * 1024,
    )
    async def handle(records: Any) -> None:
        pipeline = redis.pipeline(transaction=False)
        for record in records:
            status = status_of(type_of(record.headers), record.value)
            pipeline.evalsha(script, 1, task.key(record.key), record.offset, *status)
        await pipeline.execute()
        if meter.note(len(records)):
            app.exit()

    await app.run()
    await redis.aclose()


if __name__ == "__main__":
    uvloop.run(main(Task.of_command_line()))
