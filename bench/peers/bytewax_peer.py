"""Bytewax: its Kafka source, a sink that sets the newest status of each file in a pipeline."""

from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from redis import Redis
from work import Meter, Task, status_of, type_of

BATCH = 2_000

Item = tuple[str, bytes]


class _Partition(StatelessSinkPartition[Item]):
    def __init__(self, task: Task, meter: Meter) -> None:
        self._redis: Any = Redis.from_url(task.redis_url)
        self._meter = meter

    def write_batch(self, items: list[Item]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for key, value in items:
            pipeline.set(key, value)
        pipeline.execute()
        self._meter.note(len(items))


class RedisSink(DynamicSink[Item]):
    """Partitions are in order within a worker, so the last write of a file is its newest."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._meter = Meter(task.total)

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        return _Partition(self._task, self._meter)


def main(task: Task) -> None:
    """Consume until the end of the topic."""
    encode = msgspec.json.Encoder().encode

    def item(message: KafkaSourceMessage[Any, Any]) -> Item:
        return task.key(message.key), encode(status_of(type_of(message.headers), message.value))

    flow = Dataflow("peer")
    source = KafkaSource([task.brokers], [task.topic], tail=False, batch_size=BATCH)
    items = op.map("status", op.input("log", flow, source), item)
    op.output("redis", items, RedisSink(task))
    run_main(flow)


if __name__ == "__main__":
    main(Task.of_command_line())
