"""Notes when each record of a topic is seen, by one of two ways; a process of its own.

Prints `ready`, then a JSON object: for each sight and key, the times of its records in order, in
seconds since 1970. A consumer sees a record when it has it. A record is readable when Redis has run
the script that writes it, and Redis says when that was; whoever waits is told a little later.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import Final, cast
from urllib.parse import urlsplit

import hiredis
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS

LOOK_INTERVAL_S: Final = 0.2
"""Between two looks at what Redis has run: to be woken for each script would delay the next."""


class Sightings:
    """The times of each key's records, and when all records have been seen."""

    def __init__(self, total: int) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._left = total

    def note(self, key: bytes, at: float | None = None) -> None:
        self.times[key.decode()].append(time.time() if at is None else at)
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


class Executions(asyncio.Protocol):
    """Reads from `MONITOR` when Redis ran the hints, which are the last part of their scripts."""

    def __init__(self, channels: list[str], seen: Sightings) -> None:
        self._loop = asyncio.get_running_loop()
        self.complete: asyncio.Future[None] = self._loop.create_future()
        self._channels = {channel.encode() for channel in channels}
        self._seen = seen
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"MONITOR\r\n")

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if b' "SPUBLISH" ' in line:
                self._take(line)
        if not self._seen.is_complete:
            self._transport.pause_reading()
            self._loop.call_later(LOOK_INTERVAL_S, self._transport.resume_reading)
        elif not self.complete.done():
            self.complete.set_result(None)

    def _take(self, line: bytes) -> None:
        """`+<seconds> [<database> lua] "SPUBLISH" "<channel>" "<keys>"`."""
        _, channel, keys = line.rstrip(b'"').rsplit(b' "', 2)
        if channel.rstrip(b'"') in self._channels:
            at = float(line[1 : line.index(b" ")])
            for key in keys.split(b" "):
                self._seen.note(key, at)


async def watch_readable(redis_url: str, prefix: str, total: int) -> dict[str, Sightings]:
    """A hint is part of the script that makes its files readable."""
    told, readable = Sightings(total), Sightings(total)
    url, loop = urlsplit(redis_url), asyncio.get_running_loop()
    address = str(url.hostname), int(url.port or 6379)
    channels = [Keys(prefix).partition(1, number).hints for number in range(PARTITIONS)]
    first, hints = await loop.create_connection(lambda: Hints(channels, told), *address)
    await hints.subscribed
    second, executions = await loop.create_connection(
        lambda: Executions(channels, readable), *address
    )
    print("ready", flush=True)
    await hints.complete
    await executions.complete
    first.close()
    second.close()
    return {"readable": readable, "told": told}


async def watch_consumed(kafka: str, topic: str, total: int) -> dict[str, Sightings]:
    """What any consumer of the topic gets."""
    seen = Sightings(total)
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
    return {"consumed": seen}


async def main(way: str, address: str, name: str, total: int) -> None:
    """Watch until all records were seen, then report."""
    watch = {"readable": watch_readable, "consumed": watch_consumed}[way]
    seen = await watch(address, name, total)
    print(json.dumps({sight: sightings.times for sight, sightings in seen.items()}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
