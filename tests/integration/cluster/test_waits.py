import asyncio
from typing import Any, cast

from milepost_query.access.api_keys import ApiKeys
from milepost_schemas.document import Document, render_status
from tests.fixtures.found_redis import FoundRedis
from tests.fixtures.redis_cluster import RedisCluster, call, until
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.integration.cluster.test_reads import one_of_each_partition
from tests.integration.query.files import completed, processing
from tests.integration.query.running import running_query
from tests.integration.query.stored_model import StoredModel
from tests.integration.query.waiting_clients import NEVER_S, until_followed, waiting


async def test_hints_are_heard_from_wherever_a_partition_is(
    cluster: RedisCluster, model: StoredModel, api_keys: ApiKeys
) -> None:
    files = await one_of_each_partition(model)
    async with running_query(
        cluster.url, prefix=model.prefix, api_keys=api_keys, poll_every_s=NEVER_S
    ) as client:
        waits = [asyncio.create_task(waiting(client, file_id=f.file_id)) for f in files.values()]
        await until_followed(client, len(files))
        for file in files.values():
            await end(model, file.file_id)
            # One, wherever it is told: no other node of the cluster hears of it.
            assert await model.hint(file) == 1

        answers = await asyncio.gather(*waits)

    assert {answer.content for answer in answers} == {render_status(completed())}


async def end(model: StoredModel, file_id: str) -> None:
    document = completed()
    document.file_id = file_id
    await model.put(document)


async def told_until_answered(model: StoredModel, file: Document, wait: asyncio.Task[Any]) -> None:
    """Hints come from the successor, and count only when they and the file are looked for there."""

    async def is_answered() -> bool:
        await model.hint(file)
        return wait.done()

    await until(is_answered)


async def test_a_wait_outlasts_the_primary_of_its_partition(
    cluster: RedisCluster, model: StoredModel, api_keys: ApiKeys
) -> None:
    number, file = next(iter((await one_of_each_partition(model)).items()))
    async with running_query(
        cluster.url, prefix=model.prefix, api_keys=api_keys, poll_every_s=NEVER_S
    ) as client:
        wait = asyncio.create_task(waiting(client, file_id=file.file_id))
        await until_followed(client)
        primary = await cluster.primary_of(f"{{g1.p{number}}}")
        await call(primary, "WAIT", 1, 10_000)
        primary.kill()
        await end(model, file.file_id)
        await told_until_answered(model, file, wait)

        assert (await wait).content == render_status(completed())


async def test_a_wait_outlasts_the_master_that_sentinels_watch(
    sentinel: RedisSentinel, api_keys: ApiKeys, unique: str
) -> None:
    async with FoundRedis(sentinel.url) as redis:
        model = StoredModel(cast("Any", redis), unique)
        await model.begin()
        await model.put(processing())
        async with running_query(
            sentinel.url, prefix=unique, api_keys=api_keys, poll_every_s=NEVER_S
        ) as client:
            wait = asyncio.create_task(waiting(client))
            await until_followed(client)
            master = await sentinel.master()
            await call(master, "WAIT", 1, 10_000)
            master.kill()
            await model.put(completed())
            await told_until_answered(model, completed(), wait)

            assert (await wait).content == render_status(completed())
