"""Quix Streams: a batching sink, one pipelined script per record."""

from typing import Any

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch
from redis import Redis
from work import NEWEST_WINS, Meter, Task, status_of, type_of

COMMIT_EVERY = 20_000
CHUNK = 2_000


class RedisSink(BatchingSink):
    """Writes what has gathered of a partition between two of its checkpoints."""

    def __init__(self, task: Task, done: Any) -> None:
        super().__init__()
        self._task = task
        self._done = done
        self._redis: Any = Redis.from_url(task.redis_url)
        self._script = self._redis.script_load(NEWEST_WINS)
        self._meter = Meter(task.total)

    def write(self, batch: SinkBatch) -> None:
        for chunk in batch.iter_chunks(CHUNK):
            pipeline = self._redis.pipeline(transaction=False)
            for item in chunk:
                status = status_of(type_of(item.headers), item.value)
                pipeline.evalsha(self._script, 1, self._task.key(item.key), item.offset, *status)
            pipeline.execute()
            if self._meter.note(len(chunk)):
                self._done()


def main(task: Task) -> None:
    """Consume until all records are written."""
    app = Application(
        broker_address=task.brokers,
        consumer_group=task.prefix,
        auto_offset_reset="earliest",
        commit_every=COMMIT_EVERY,
        loglevel="ERROR",
        auto_create_topics=False,
    )
    topic = app.topic(task.topic, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).sink(RedisSink(task, app.stop))
    app.run()


if __name__ == "__main__":
    main(Task.of_command_line())
