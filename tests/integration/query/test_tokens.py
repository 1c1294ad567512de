"""Which tokens open which door."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.token_keys import TokenKeys, token_keys
from milepost_query.access.tokens import MAX_TOKEN_BYTES, SignedTokens
from tests.integration.query.files import PATH, processing
from tests.integration.query.issuer import (
    RULES,
    confused_token,
    elliptic_token,
    key_set,
    odd_key_id_token,
    tampered_token,
    token,
    unsigned_token,
)
from tests.integration.query.running import running_query
from tests.integration.query.stored_model import StoredModel


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(key_set("one", "two"))
    return path


@pytest.fixture
def keys(jwks: Path) -> TokenKeys:
    return token_keys(str(jwks))


@pytest.fixture
async def asking(
    redis_server: Server, model: StoredModel, keys_file: Path, keys: TokenKeys
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that accepts tokens, and has one file."""
    await model.put(processing())
    await keys.refresh()
    api_keys, tokens = ApiKeys(keys_file), SignedTokens(keys, RULES)
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=api_keys, tokens=tokens
    ) as client:
        yield client


async def replace(jwks: Path, text: str | None, keys: TokenKeys) -> None:
    """Another state of the file, taken notice of; None for no file."""
    await asyncio.to_thread(jwks.unlink if text is None else partial(jwks.write_text, text))
    await keys.refresh()


async def ask(client: httpx.AsyncClient, sent: str, **headers: str) -> tuple[int, str | None]:
    """The status and the error's code."""
    response = await client.get(PATH, headers={"Authorization": f"Bearer {sent}", **headers})
    code = None if response.is_success else response.json()["error"]["code"]
    return response.status_code, code


def now() -> int:
    return int(time.time())


async def test_a_signed_token_of_the_issuer_is_let_in(asking: httpx.AsyncClient) -> None:
    sent = {
        "plain": token(),
        "elliptic": elliptic_token(),
        "another key": token("two"),
        "several audiences": token(aud=["other", RULES.audience]),
        "scp as a list": token(scope=None, scp=["files:read"]),
        "scp as a text": token(scope=None, scp="files:read files:write"),
        "no subject": token(sub=None),
    }

    answers = {name: await ask(asking, each) for name, each in sent.items()}

    assert answers == dict.fromkeys(sent, (200, None))


async def test_any_other_token_is_refused(asking: httpx.AsyncClient) -> None:
    sent = {
        "no expiry": token(exp=None),
        "not yet": token(nbf=now() + 600),
        "another audience": token(aud="another"),
        "no audience": token(aud=None),
        "another issuer": token(iss="https://other.example"),
        "no issuer": token(iss=None),
        "no organization": token(org=None),
        "several organizations": token(org=["org_xyz789"]),
        "no possible organization": token(org="../org"),
        "unknown key": token("three"),
        "unknown key with a known name": token("three", headers={"kid": "one"}),
        "a key with another's name": token("one", headers={"kid": "two"}),
        "a key with the name of another kind": token("one", headers={"kid": "ec"}),
        "a key's name that is no text": odd_key_id_token(),
        "no key's name where there are several": token("one", headers={}),
        "algorithm none": unsigned_token(),
        "public key as a shared secret": confused_token(),
        "another algorithm": token(algorithm="RS512"),
        "claims of another": tampered_token(),
        "oversized": token(padding="x" * MAX_TOKEN_BYTES),
        "no token": "a.b.c",
        "dots": "....",
    }

    answers = {name: await ask(asking, each) for name, each in sent.items()}

    assert answers == dict.fromkeys(sent, (401, "TOKEN_INVALID"))


async def test_a_token_that_is_good_for_something_else_is_refused_with_its_code(
    asking: httpx.AsyncClient,
) -> None:
    assert [
        await ask(asking, token(exp=now() - 60)),
        await ask(asking, token(scope="files:write")),
        await ask(asking, token(scope=7)),
        await ask(asking, token(org="org_stranger")),
    ] == [
        (401, "TOKEN_EXPIRED"),
        (403, "INSUFFICIENT_PERMISSIONS"),
        (403, "INSUFFICIENT_PERMISSIONS"),
        (403, "ORGANIZATION_ACCESS_DENIED"),
    ]


async def test_an_algorithm_that_is_not_listed_is_refused_whatever_the_key_says(
    asking: httpx.AsyncClient, jwks: Path, keys: TokenKeys
) -> None:
    wide = json.loads(key_set("one"))
    wide["keys"][0]["alg"] = "RS512"
    await replace(jwks, json.dumps(wide), keys)

    assert await ask(asking, token(algorithm="RS512")) == (401, "TOKEN_INVALID")


async def test_a_key_and_a_token_are_both_checked_and_must_agree(
    asking: httpx.AsyncClient,
) -> None:
    answers = [
        await ask(asking, token(), **{"X-API-Key": key})
        for key in ("ak_reader", "ak_unknown", "ak_stranger", "ak_writer")
    ]
    answers.append(await ask(asking, token(exp=now() - 60), **{"X-API-Key": "ak_reader"}))

    assert answers == [
        (200, None),
        (401, "INVALID_API_KEY"),
        (401, "INVALID_API_KEY"),
        (403, "INSUFFICIENT_PERMISSIONS"),
        (401, "TOKEN_EXPIRED"),
    ]


async def test_a_token_is_refused_once_its_key_has_left_the_key_set(
    asking: httpx.AsyncClient, jwks: Path, keys: TokenKeys
) -> None:
    sent = token("two")
    before = await ask(asking, sent)

    await replace(jwks, key_set("one"), keys)

    assert (before, await ask(asking, sent)) == ((200, None), (401, "TOKEN_INVALID"))


async def test_a_remembered_token_still_expires(asking: httpx.AsyncClient) -> None:
    sent = token(exp=now() - 2)

    async with asyncio.timeout(60):
        answers = [await ask(asking, sent)]
        while answers[-1] == (200, None):
            answers.append(await ask(asking, sent))

    assert answers[-1] == (401, "TOKEN_EXPIRED")
    assert len(answers) > 2


async def test_a_key_set_that_cannot_be_used_takes_no_key_away(
    asking: httpx.AsyncClient, jwks: Path, keys: TokenKeys
) -> None:
    for broken in ("", "{}", '{"keys": []}', '{"keys": 7}', '{"keys": [7]}', "[", "null", None):
        await replace(jwks, broken, keys)

    assert await ask(asking, token()) == (200, None)
    assert (await asking.get("/readyz")).status_code == 200


async def test_without_any_key_set_tokens_are_not_judged_and_the_service_is_not_ready(
    redis_server: Server, model: StoredModel, keys_file: Path, tmp_path: Path
) -> None:
    await model.put(processing())
    keys = token_keys(str(tmp_path / "absent.json"))
    await keys.refresh()
    async with running_query(
        redis_server.address,
        prefix=model.prefix,
        api_keys=ApiKeys(keys_file),
        tokens=SignedTokens(keys, RULES),
    ) as client:
        judged = await ask(client, token())
        by_key = await ask(client, "ak_reader")
        ready = await client.get("/readyz")

    assert (judged, by_key) == ((503, "TOKENS_NOT_CHECKED"), (200, None))
    assert ready.status_code == 503
    assert ready.json()["error"]["details"] == {"reason": "no keys to check tokens against"}
