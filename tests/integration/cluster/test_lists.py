from pathlib import Path

import httpx
import pytest

from milepost_query.access.api_keys import ApiKeys
from milepost_schemas.document import Document
from tests.fixtures.redis_cluster import RedisCluster, call, until
from tests.fixtures.redis_sentinel import RedisSentinel
from tests.integration.query.files import STORE, line, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import KEYS, ORGANIZATION, READER, running_query, write_keys

STORES = f"/v1/organizations/{ORGANIZATION}/stores"
LIST = f"{STORES}/{STORE}/files"
COUNT = 30


async def filled(redis_url: str, prefix: str) -> ProjectedFiles:
    projected = ProjectedFiles(redis_url, prefix)
    await projected.begin()
    await projected.put(*(a_file(number) for number in range(COUNT)))
    await projected.log(a_file(7), [line("10:00:06", "info", "read")])
    return projected


def a_file(number: int) -> Document:
    return processing(file_id=f"file_{number}", name="a", created_at=number, size_bytes=2)


@pytest.fixture
def api_keys(tmp_path: Path) -> ApiKeys:
    write_keys(tmp_path / "api-keys.json", KEYS)
    return ApiKeys(tmp_path / "api-keys.json")


async def is_whole(client: httpx.AsyncClient) -> bool:
    """Whether everything is answered; what is answered is right."""
    paths = [LIST, f"{LIST}?search=A", f"{STORES}/usage", f"{LIST}/file_7/logs"]
    answers = [await client.get(path, headers=READER) for path in paths]
    assert {answer.status_code for answer in answers} <= {200, 503}
    newest = [f"file_{number}" for number in reversed(range(COUNT))][:20]
    for page in answers[:2]:
        assert page.is_error or [item["file_id"] for item in page.json()["items"]] == newest
    assert answers[2].is_error or answers[2].json()["used_bytes"] == 2 * COUNT
    assert answers[3].is_error or [of["message"] for of in answers[3].json()["logs"]] == ["read"]
    return all(answer.is_success for answer in answers)


async def is_refused(client: httpx.AsyncClient) -> bool:
    return (await client.get(LIST, headers=READER)).status_code == 503


async def test_lists_are_answered_from_all_primaries_or_not_at_all(
    cluster: RedisCluster, api_keys: ApiKeys, unique: str
) -> None:
    projected = await filled(cluster.url, unique)
    async with running_query(cluster.url, prefix=unique, api_keys=api_keys) as client:
        await until(lambda: is_whole(client))
        primary = await cluster.primary_of("{g1.p0}")
        await call(primary, "WAIT", 1, 10_000)

        primary.kill()
        await until(lambda: is_refused(client))
        await until(lambda: is_whole(client))
    await projected.aclose()


async def test_lists_are_answered_from_the_successor_of_a_master(
    sentinel: RedisSentinel, api_keys: ApiKeys, unique: str
) -> None:
    projected = await filled(sentinel.url, unique)
    async with running_query(sentinel.url, prefix=unique, api_keys=api_keys) as client:
        await until(lambda: is_whole(client))
        master = await sentinel.master()
        await call(master, "WAIT", 1, 10_000)

        master.kill()
        await until(lambda: is_refused(client))
        await until(lambda: is_whole(client))
    await projected.aclose()
