import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from redis.asyncio import Redis

from milepost_local.servers import NativeServer
from milepost_primaries.primaries import Primaries
from milepost_primaries.scattered_reads import ScatteredReads
from milepost_primaries.url import RedisUrl
from milepost_query.access.api_keys import ApiKeys
from milepost_query.connections import connect
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import NotReadyError
from milepost_schemas.document import Document
from tests.fixtures.found_redis import FoundRedis
from tests.fixtures.redis_cluster import RedisCluster, call, until
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.integration.query.files import FILE, PATH, processing
from tests.integration.query.running import READER, running_query
from tests.integration.query.stored_model import PARTITIONS, StoredModel

GENERATIONS_SEEN = 40


async def one_of_each_partition(model: StoredModel) -> dict[int, Document]:
    """A stored document in each partition."""
    found: dict[int, Document] = {}
    for number in range(100):
        document = processing(file_id=f"file_{number}", explicit_percent=number)
        found.setdefault(model.partition_of(document), document)
    for document in found.values():
        await model.put(document)
    assert len(found) == PARTITIONS
    return found


async def ask(client: httpx.AsyncClient, file_id: str) -> httpx.Response:
    return await client.get(PATH.replace(FILE, file_id), headers=READER)


async def codes(client: httpx.AsyncClient, files: dict[int, Document]) -> dict[int, int]:
    """The worst answer about each file; asked so often at once that reads are shared."""
    asked = [*files.items()] * 5
    answers = await asyncio.gather(*(ask(client, file.file_id) for _, file in asked))
    for answer, (_, file) in zip(answers, asked, strict=True):
        assert answer.is_error or answer.json()["progress_percent"] == file.explicit_percent
    worst: dict[int, int] = {}
    for answer, (number, _) in zip(answers, asked, strict=True):
        worst[number] = max(answer.status_code, worst.get(number, 0))
    return worst


async def await_answers(client: httpx.AsyncClient, files: dict[int, Document]) -> None:
    """A read may miss its deadline on a busy machine."""
    async with asyncio.timeout(60):
        while set((await codes(client, files)).values()) != {200}:
            pass


async def test_files_are_answered_from_wherever_their_partitions_are(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    files = await one_of_each_partition(model)

    assert (await client.get("/readyz")).is_success
    await await_answers(client, files)


async def test_one_primary_that_may_evict_files_is_enough_not_to_answer(
    cluster: RedisCluster, model: StoredModel
) -> None:
    primary = await cluster.primary_of("{g1.p0}")
    async with connect(cluster.url) as redis:
        read_model = ReadModel(redis, model.keys)
        watching = asyncio.create_task(read_model.watch())

        async def is_refused() -> bool:
            try:
                await read_model.survey()
            except NotReadyError as error:
                return "maxmemory-policy" in error.reason
            return False

        assert not await is_refused()
        await call(primary, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            await until(is_refused)
        finally:
            await call(primary, "CONFIG", "SET", "maxmemory-policy", "noeviction")
        watching.cancel()
        await asyncio.wait([watching])


def kill(primary: NativeServer) -> None:
    primary.kill()


def freeze(primary: NativeServer) -> None:
    assert primary.pid is not None
    os.kill(primary.pid, signal.SIGSTOP)


@pytest.mark.parametrize("stop", [kill, freeze])
async def test_without_a_primary_the_files_of_the_others_are_answered(
    cluster: RedisCluster,
    client: httpx.AsyncClient,
    model: StoredModel,
    stop: Callable[[NativeServer], None],
) -> None:
    files = await one_of_each_partition(model)
    await await_answers(client, files)
    there = {number: await cluster.primary_of(f"{{g1.p{number}}}") for number in files}
    metadata = await cluster.primary_of(model.keys.meta)
    primary = next(node for node in there.values() if node is not metadata)
    await call(primary, "WAIT", 1, 10_000)

    stop(primary)
    seen: Counter[tuple[bool, int]] = Counter()
    try:
        async with asyncio.timeout(60):
            while not await cluster.is_replaced(primary):
                for number, code in (await codes(client, files)).items():
                    seen[there[number] is primary, code] += 1
            while set((await codes(client, files)).values()) != {200}:
                pass
    finally:
        primary.kill()

    assert seen[True, 503]
    assert seen[False, 200] > 0.5 * seen[False, 503]


async def test_a_planned_failover_costs_no_answer(
    cluster: RedisCluster, client: httpx.AsyncClient, model: StoredModel
) -> None:
    files = await one_of_each_partition(model)
    await await_answers(client, files)

    async def costs_nothing() -> bool:
        primary = await cluster.primary_of("{g1.p0}")
        await call(await cluster.replica_of(primary), "CLUSTER", "FAILOVER")
        await until(lambda: cluster.is_replaced(primary))
        seen = await codes(client, files)
        await cluster.start()
        return set(seen.values()) == {200}

    await until(costs_nothing)


async def test_the_first_key_is_read_after_the_others(cluster: RedisCluster, unique: str) -> None:
    url = RedisUrl.parse(cluster.url)
    primaries = Primaries(url, Redis.from_url, answers_within_s=60)
    reads = ScatteredReads(primaries, answers_within_s=60)
    other = await cluster.primary_of("{g1.p0}")
    names = [f"{unique}-{number}" for number in range(20)]
    first, *_ = [name for name in names if await cluster.primary_of(name) is not other]
    async with FoundRedis(cluster.url) as redis:
        await redis.set(first, "before")
        assert await reads.mget([first, "{g1.p0}other"]) == [b"before", None]
        freeze(other)
        reading = asyncio.create_task(reads.mget([first, "{g1.p0}other"]))
        # Time enough for whoever does not wait for the other.
        for _ in range(50):
            await redis.get(first)
        await redis.set(first, "after")
        assert other.pid is not None
        os.kill(other.pid, signal.SIGCONT)

        assert await reading == [b"after", None]
    await primaries.aclose()


async def test_a_reader_never_sees_a_generation_that_is_not_live_any_more(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing(revision=1))
    answers: Counter[str] = Counter()
    enough = asyncio.Event()
    switching = asyncio.create_task(switch_again_and_again(model, enough))
    async with asyncio.timeout(60):
        while len(answers) < GENERATIONS_SEEN:
            answer = await ask(client, FILE)
            answers[answer.headers.get("etag", "none")] += 1
    enough.set()
    await switching

    assert {tag for tag in answers if not tag.endswith('.1"')} <= {"none"}


async def switch_again_and_again(model: StoredModel, enough: asyncio.Event) -> None:
    """Each generation is spoiled as soon as the next one is live."""
    live = model
    for generation in itertools.count(2):
        if enough.is_set():
            return
        rebuilt = StoredModel(model.redis, model.prefix, generation=generation)
        await rebuilt.put(processing(revision=1))
        await rebuilt.begin()
        await live.put(processing(revision=666))
        live = rebuilt


async def test_outages_leak_no_connection(
    cluster: RedisCluster, client: httpx.AsyncClient, model: StoredModel
) -> None:
    files = await one_of_each_partition(model)
    await codes(client, files)
    for _ in range(3):
        for node in cluster.nodes:
            await call(node, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await codes(client, files)
    await await_answers(client, files)

    primaries = {await cluster.primary_of(f"{{g1.p{number}}}") for number in range(PARTITIONS)}
    connected = [await clients_of(node) for node in primaries]
    # The query service's, the model's of this test, and the one that asks.
    assert max(connected) <= 3


async def clients_of(node: NativeServer) -> int:
    async with Redis.from_url(node.address) as redis:
        return len(await redis.client_list(_type="normal"))


async def test_the_successor_of_a_master_is_read_from(
    sentinel: RedisSentinel, api_keys: ApiKeys, unique: str
) -> None:
    async with FoundRedis(sentinel.url) as redis:
        model = StoredModel(cast("Any", redis), unique)
        await model.begin()
        files = await one_of_each_partition(model)
        async with running_query(sentinel.url, prefix=unique, api_keys=api_keys) as client:
            await await_answers(client, files)
            master = await sentinel.master()
            await call(master, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await await_answers(client, files)
            await call(master, "WAIT", 1, 10_000)
            master.kill()
            assert set((await codes(client, files)).values()) == {503}
            await until(lambda: sentinel.is_replaced(master))
            await await_answers(client, files)
