import asyncio
from pathlib import Path

import httpx
import pytest

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.keys_file import ApiKeysError
from milepost_schemas.document import Document
from tests.integration.query.files import FILE, PATH, STORE, processing
from tests.integration.query.running import KEYS, READER, running_query, write_keys
from tests.integration.query.stored_model import StoredModel


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "ak_reader"},
        {"Authorization": "Bearer ak_reader"},
        {"Authorization": "bearer  ak_reader"},
        {"X-API-Key": "ak_reader", "Authorization": "Bearer ak_second"},
    ],
)
async def test_a_known_key_is_let_in(
    client: httpx.AsyncClient, model: StoredModel, headers: dict[str, str]
) -> None:
    await model.put(processing())

    response = await client.get(PATH, headers=headers)

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, (401, "AUTHENTICATION_REQUIRED")),
        ({"X-API-Key": ""}, (401, "INVALID_API_KEY")),
        ({"X-API-Key": "ak_unknown"}, (401, "INVALID_API_KEY")),
        ({"X-API-Key": "ak_expired"}, (401, "API_KEY_EXPIRED")),
        ({"Authorization": "Bearer ak_unknown"}, (401, "INVALID_API_KEY")),
        ({"Authorization": "Bearer ak_expired"}, (401, "API_KEY_EXPIRED")),
        ({"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.sig"}, (401, "TOKEN_INVALID")),
        ({"Authorization": "Bearer"}, (401, "TOKEN_INVALID")),
        ({"Authorization": "Basic YWtfcmVhZGVyOg=="}, (401, "TOKEN_INVALID")),
        (
            {"X-API-Key": "ak_reader", "Authorization": "Bearer ak_unknown"},
            (401, "INVALID_API_KEY"),
        ),
        (
            {"X-API-Key": "ak_unknown", "Authorization": "Bearer ak_reader"},
            (401, "INVALID_API_KEY"),
        ),
        ({"X-API-Key": "ak_reader", "Authorization": "Bearer e30.e30.s"}, (401, "TOKEN_INVALID")),
        (
            {"X-API-Key": "ak_reader", "Authorization": "Bearer ak_stranger"},
            (401, "INVALID_API_KEY"),
        ),
        ({"X-API-Key": "ak_writer"}, (403, "INSUFFICIENT_PERMISSIONS")),
        (
            {"X-API-Key": "ak_reader", "Authorization": "Bearer ak_writer"},
            (403, "INSUFFICIENT_PERMISSIONS"),
        ),
        ({"X-API-Key": "ak_stranger"}, (403, "ORGANIZATION_ACCESS_DENIED")),
    ],
)
async def test_everything_else_is_refused_with_its_code(
    client: httpx.AsyncClient,
    model: StoredModel,
    headers: dict[str, str],
    refusal: tuple[int, str],
) -> None:
    await model.put(processing())

    response = await client.get(PATH, headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == refusal
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)
    assert "etag" not in response.headers


async def test_another_organizations_path_is_forbidden_whether_it_exists_or_not(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(Document("org_stranger", STORE, FILE, revision=1))
    paths = [PATH.replace("org_xyz789", name) for name in ("org_stranger", "org_nobody", "!")]

    answers = [(await client.get(path, headers=READER)).json() for path in paths]

    assert {answer["error"]["code"] for answer in answers} == {"ORGANIZATION_ACCESS_DENIED"}
    assert [answer["error"]["details"] for answer in answers] == [{}, {}, {}]


async def test_a_changed_keys_file_is_taken_over(
    model: StoredModel, keys_file: Path, redis_server: Server
) -> None:
    await model.put(processing())
    api_keys = ApiKeys(keys_file)
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=api_keys
    ) as own_client:
        watching = asyncio.create_task(api_keys.watch(every_s=0.01))
        write_keys(keys_file, [("ak_new", "org_xyz789", ["files:read"], None)])

        async with asyncio.timeout(5):
            while (await own_client.get(PATH, headers={"X-API-Key": "ak_new"})).is_error:
                pass
        old = await own_client.get(PATH, headers=READER)
        watching.cancel()

    assert old.status_code == 401


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"keys":[{"key_id":"x"}]}', '{"keys":[{"sha256":"ak_in_the_clear"}]}'],
)
def test_a_broken_keys_file_keeps_the_old_keys(keys_file: Path, content: str) -> None:
    api_keys = ApiKeys(keys_file)
    keys_file.write_text(content)

    api_keys.refresh()

    assert api_keys.find(b"ak_reader") is not None
    with pytest.raises(ApiKeysError) as caught:
        ApiKeys(keys_file)
    assert "ak_in_the_clear" not in str(caught.value)


def test_a_keys_file_that_vanishes_keeps_the_old_keys(keys_file: Path) -> None:
    api_keys = ApiKeys(keys_file)
    keys_file.unlink()

    api_keys.refresh()
    assert api_keys.find(b"ak_reader") is not None

    write_keys(keys_file, KEYS[1:])
    api_keys.refresh()
    assert api_keys.find(b"ak_reader") is None
