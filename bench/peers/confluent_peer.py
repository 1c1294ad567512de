"""confluent-kafka by hand: every record decoded, one pipelined script for each file of a batch."""

from typing import Any

from confluent_kafka import Consumer
from redis import Redis
from work import NEWEST_WINS, Meter, Task, status_of, type_of

BATCH = 4_000


def main(task: Task) -> None:
    """Consume until all records are written."""
    redis: Any = Redis.from_url(task.redis_url)
    script = redis.script_load(NEWEST_WINS)
    consumer = Consumer(
        {
            "bootstrap.servers": task.brokers,
            "group.id": task.prefix,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([task.topic])
    meter = Meter(task.total)
    is_done = False
    while not is_done:
        records = consumer.consume(BATCH, timeout=0.1)
        if not records:
            continue
        newest: dict[bytes, tuple[Any, ...]] = {}
        for record in records:
            status = status_of(type_of(record.headers()), record.value())
            newest[record.key()] = (record.offset(), *status)
        pipeline = redis.pipeline(transaction=False)
        for key, arguments in newest.items():
            pipeline.evalsha(script, 1, task.key(key), *arguments)
        pipeline.execute()
        consumer.commit(asynchronous=True)
        is_done = meter.note(len(records))
    consumer.close()


if __name__ == "__main__":
    main(Task.of_command_line())
