"""Everything at work at once: load, projectors, the query service, a reader; and the reckoning."""

import asyncio
import hashlib
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiokafka.admin import AIOKafkaAdminClient

from milepost_local.ports import free_port
from milepost_local.process import Process
from milepost_local.servers import OwnServer
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import ForeignRecordError, InvalidRecordError, decode
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Meta
from milepost_schemas.record import split_status
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.faults.load import Load
from tests.faults.reader import Reader
from tests.fixtures.expected_model import Model, expected_model, read_log, stored_model
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.running_projector import World, caught_up, live_generation

ORGANIZATIONS = ("org_0", "org_1", "org_2")
WATCHED_FILES = 50
RECOVERS_WITHIN_S = 60.0
PATIENCE_S = 7 * 86_400
LIMITS_OF_SILENCE = ("STALLED_AFTER_S", "FAILED_AFTER_S", "QUEUED_FAILED_AFTER_S")
"""Nobody is accused: what the load says is all that there is to be told."""
STRIDE = 400
"""Records, about a second's: a fault between two strides comes while much is under way."""


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    """Return once the claim holds; TimeoutError if the system takes too long to recover."""
    async with asyncio.timeout(RECOVERS_WITHIN_S):
        while not await claim():  # noqa: ASYNC110  a condition has no event
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Work:
    """Who is at work in the test's own process."""

    load: Load
    reader: Reader

    async def answer_of_a_known_file(self) -> int:
        """The status code for a file that was answered before."""
        return (await self.reader.status(next(iter(self.reader.seen)))).status_code

    async def answer_of_an_unheard_of_file(self) -> int:
        """The status code for a file that nothing was published about yet."""
        unknown = next(key for key in reversed(self.load.files) if key not in self.load.known)
        return (await self.reader.status(unknown)).status_code


class Stand:
    """One world with real processes in it; `at_work` runs them and reckons up in the end."""

    def __init__(self, world: World, kafka: OwnServer, redis: OwnServer, directory: Path) -> None:
        self.world = world
        self.kafka = kafka
        self.redis = redis
        self._directory = directory
        self._processes: list[Process] = []
        self.api_keys = {owner: f"ak_{secrets.token_hex(16)}" for owner in ORGANIZATIONS}
        self._commands: list[Process] = []
        self._query_url = f"http://127.0.0.1:{free_port()}"
        self.projector = self.new_projector("projector")

    def new_projector(self, name: str) -> Process:
        """A further projector of the same group, not yet launched."""
        return self._process(name, *_module("milepost_projector"))

    @property
    def environment(self) -> dict[str, str]:
        """What each process and command of this world is told."""
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": self.world.kafka.bootstrap_servers,
            "EVENTS_TOPIC": self.world.events,
            "STATUS_TOPIC": self.world.statuses,
            "DEAD_LETTER_TOPIC": self.world.dead_letters,
            "PROJECTOR_GROUP": self.world.name,
            "REDIS_URL": self.world.redis_url,
            "REDIS_PREFIX": self.world.name,
            **dict.fromkeys(LIMITS_OF_SILENCE, str(PATIENCE_S)),
        }
        return {f"MILEPOST_{key}": value for key, value in settings.items()}

    def launch(self) -> None:
        """Start the query service and the first projector."""
        self._query().launch()
        self.projector.launch()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._query_url, timeout=10)

    def logged(self, event: str, name: str = "projector") -> list[dict[str, Any]]:
        """What a process has logged under the name of an event."""
        lines = (self._directory / f"{name}.log").read_text().splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in told if each["event"] == event]

    def new_rebuild(self, name: str, *words: str) -> Process:
        """A command that comes to an end, not yet launched."""
        command = self._process(name, *words)
        self._processes.remove(command)
        self._commands.append(command)
        return command

    async def meta(self) -> Meta:
        async with self.world.redis() as redis:
            return Meta.decode(await redis.get(Keys(self.world.name).meta))

    def kill(self) -> None:
        for process in (*self._processes, *self._commands):
            process.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the first projector."""
        assert self.projector.pid is not None
        os.kill(self.projector.pid, number)

    async def freeze_with_unpublished(self) -> dict[int, int]:
        """Stop the first projector where it has applied something that it has not published.

        The partitions that it was caught in, with the offsets that it has applied.
        """
        while True:
            self.send(signal.SIGSTOP)
            positions = await self.positions()
            # A script that was on its way is in Redis's hands, and may still move something.
            while (later := await self.positions()) != positions:
                positions = later
            caught = {number: at for number, (at, published) in positions.items() if published < at}
            if caught:
                return caught
            self.send(signal.SIGCONT)
            await self.has_moved_on()

    async def is_published(self, offsets: dict[int, int]) -> None:
        """Return once the status topic is complete up to these offsets."""

        async def has_passed() -> bool:
            reached = await self.positions()
            return all(reached[number][1] >= offset for number, offset in offsets.items())

        await until(has_passed)

    async def positions(self) -> dict[int, tuple[int, int]]:
        """How far each partition is applied, and how far it is published."""
        async with self.world.redis() as redis:
            live = await live_generation(redis, self.world.name)
            keys = [Keys(self.world.name).partition(live, number) for number in range(PARTITIONS)]
            applied = await redis.mget([each.checkpoint for each in keys])
            published = await redis.mget([each.published for each in keys])
        return {
            number: (Checkpoint.decode(checkpoint).next_offset, int(reached or 0))
            for number, (checkpoint, reached) in enumerate(zip(applied, published, strict=True))
            if checkpoint
        }

    @asynccontextmanager
    async def at_work(self, *, seed: int) -> AsyncIterator[Work]:
        """Load and a reader, from readiness to the end of the block; then the reckoning."""
        load = Load(self.world.kafka.bootstrap_servers, self.world.events, seed)
        self.launch()
        async with self.client() as client, asyncio.TaskGroup() as tasks:
            reader = Reader(client, load, self.api_keys, files=WATCHED_FILES)
            await until(reader.is_ready)
            loading = tasks.create_task(asyncio.to_thread(load.run))
            tasks.create_task(reader.run())
            try:
                await self.has_moved_on()
                yield Work(load, reader)
                await self.has_moved_on()
                load.stop()
                await loading
                await caught_up(self.world, load.ends, within_s=RECOVERS_WITHIN_S)
                await until(reader.is_ready)
                await self._reckon(load, reader)
            finally:
                load.stop()
                reader.stop()

    async def has_moved_on(self) -> None:
        """Return once the projection is a good deal further than it was at the call."""
        goal = await self.applied() + STRIDE
        await until(lambda: self._is_beyond(goal))

    async def applied(self) -> int:
        """Records of the log that the read model has taken in."""
        return sum(applied for applied, _ in (await self.positions()).values())

    async def _is_beyond(self, applied: int) -> bool:
        return await self.applied() > applied

    async def _reckon(self, load: Load, reader: Reader) -> None:
        """Nothing was lost, nothing was said that was not so, and nothing crashed meanwhile."""
        log = await read_log(self.world.kafka.bootstrap_servers, self.world.events)
        await caught_up(self.world, {number: len(records) for number, records in log.items()})
        async with self.world.redis() as redis:
            live = await live_generation(redis, self.world.name)
            model = expected_model(log, self.world.name, live)
            assert await stored_model(redis, self.world.name, live) == model
        kept = {(n, record.offset): record.value for n, each in log.items() for record in each}
        assert load.values.items() <= kept.items()
        assert _rejected(log).items() <= (await self._dead_letters()).items()
        await self._compare_answers(reader, model, live)
        assert reader.lies == []
        await until(lambda: self._is_committed({n: len(each) for n, each in log.items() if each}))
        assert await newest_statuses(self.world) == told_by(model)
        assert all(process.pid is not None for process in self._processes)

    async def _is_committed(self, ends: dict[int, int]) -> bool:
        """Whether tools that look at the group's lag see none."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.world.kafka.bootstrap_servers)
        await admin.start()
        committed = await admin.list_consumer_group_offsets(self.world.name)
        await admin.close()
        return {at.partition: found.offset for at, found in committed.items()} == ends

    async def _dead_letters(self) -> dict[tuple[int, int], bytes]:
        """The values of the dead letters by partition and offset of their sources."""
        log = await read_log(self.world.kafka.bootstrap_servers, self.world.dead_letters)
        found: dict[tuple[int, int], bytes] = {}
        for record in (record for records in log.values() for record in records):
            headers = dict(record.headers)
            source = (headers["milepost-source-partition"], headers["milepost-source-offset"])
            found[int(source[0]), int(source[1])] = record.value
        return found

    async def _compare_answers(self, reader: Reader, model: Model, live: int) -> None:
        answers = await asyncio.gather(*(reader.status(key) for key in reader.files))
        for key, answer in zip(reader.files, answers, strict=True):
            partition = partition_of(key.encode(), PARTITIONS)
            value = model.get(Keys(self.world.name).partition(live, partition).file(key))
            body = split_status(value).body if value else b""
            if body:
                assert answer.content == body
            else:
                assert answer.status_code == httpx.codes.NOT_FOUND

    def _query(self) -> Process:
        keys_file = self._directory / "api-keys.json"
        entries = [_entry(owner, key) for owner, key in self.api_keys.items()]
        keys_file.write_text(json.dumps({"keys": entries}))
        return self._process(
            "query",
            *_module("milepost_query"),
            API_KEYS_FILE=str(keys_file),
            HTTP_PORT=self._query_url.rpartition(":")[2],
        )

    def _process(self, name: str, *words: str, **settings: str) -> Process:
        own = {f"MILEPOST_{key}": value for key, value in settings.items()}
        process = Process(
            name,
            words,
            log=self._directory / f"{name}.log",
            environment=self.environment | own,
        )
        self._processes.append(process)
        return process


def _module(name: str) -> tuple[str, ...]:
    return sys.executable, "-m", name


def _rejected(log: dict[int, list[Any]]) -> dict[tuple[int, int], bytes]:
    """The poison in the log, by partition and offset."""
    found: dict[tuple[int, int], bytes] = {}
    for number, records in log.items():
        for record in records:
            try:
                decode(record.key, record.value, record.headers)
            except InvalidRecordError:
                found[number, record.offset] = record.value
            except ForeignRecordError:
                continue
    return found


def _entry(owner: str, key: str) -> dict[str, object]:
    return {
        "key_id": owner,
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "organization_id": owner,
        "scopes": ["files:read"],
        "expires_at": None,
    }
