"""Notes when each record of a topic is seen, by one of two ways; a process of its own.

Prints `ready`, then a JSON object: for each key, the times of its records in order, by the
system's monotonic clock.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import cast
from urllib.parse import urlsplit

import hiredis
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS


class Sightings:
    """The times of each key's records, and when all records have been seen."""

    def __init__(self, total: int) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._left = total

    def note(self, key: bytes) -> None:
        self.times[key.decode()].append(time.perf_counter())
        self._left -= 1

    @property
    def is_complete(self) -> bool:
        return self._left <= 0


class Hints(asyncio.Protocol):
    """Subscribes on a bare connection: a client's own work would count as the projector's."""

    def __init__(self, channels: list[str], seen: Sightings) -> None:
        loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[None] = loop.create_future()
        self.complete: asyncio.Future[None] = loop.create_future()
        self._channels = channels
        self._seen = seen
        self._reader = hiredis.Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(
            hiredis.pack_command(cast("tuple[str]", ("SSUBSCRIBE", *self._channels)))
        )

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (push := self._reader.gets()) is not False:
            self._take(*push)

    def _take(self, kind: bytes, _channel: bytes, content: int | bytes) -> None:
        if kind == b"ssubscribe" and content == len(self._channels):
            self.subscribed.set_result(None)
        elif isinstance(content, bytes):
            for key in content.split(b" "):
                self._seen.note(key)
            if self._seen.is_complete and not self.complete.done():
                self.complete.set_result(None)


async def watch_readable(redis_url: str, prefix: str, seen: Sightings) -> None:
    """A hint is part of the script that makes its files readable."""
    url = urlsplit(redis_url)
    channels = [Keys(prefix).partition(1, number).hints for number in range(PARTITIONS)]
    transport, hints = await asyncio.get_running_loop().create_connection(
        lambda: Hints(channels, seen), str(url.hostname), int(url.port or 6379)
    )
    await hints.subscribed
    print("ready", flush=True)
    await hints.complete
    transport.close()


async def watch_consumed(kafka: str, topic: str, seen: Sightings) -> None:
    """What any consumer of the topic gets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    every = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(every)
    await consumer.seek_to_beginning(*every)
    print("ready", flush=True)
    while not seen.is_complete:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                seen.note(record.key)
    await consumer.stop()


async def main(way: str, address: str, name: str, total: int) -> None:
    """Watch until all records were seen, then report."""
    seen = Sightings(total)
    watch = {"readable": watch_readable, "consumed": watch_consumed}[way]
    await watch(address, name, seen)
    print(json.dumps(seen.times))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
