"""Credentials of a running service: `milepost keys`, and tokens."""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from milepost_local.servers import Server
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.keys_cli import keys
from milepost_query.access.keys_file import KeysFile
from tests.integration.query.files import PATH, processing
from tests.integration.query.issuer import RULES, key_set, token
from tests.integration.query.process import query_process
from tests.integration.query.running import ORGANIZATION
from tests.integration.query.stored_model import StoredModel

REVOKED_WITHIN_S = 60
"""Five seconds are promised; how busy the machine is, is not."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(keys, arguments)


def created(file: Path, *arguments: str) -> dict[str, str]:
    result = run(
        "create", "--organization", ORGANIZATION, "--file", str(file), "--json", *arguments
    )
    assert result.exit_code == 0, result.output
    told: dict[str, str] = json.loads(result.stdout)
    return told


def test_a_created_key_is_known_by_its_digest_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    key = created(file, "--scopes", "files:read,files:write", "--expires-in", "90d")

    credential = ApiKeys(file).find(key["api_key"].encode())
    assert credential is not None
    assert credential.organization_id == ORGANIZATION
    assert credential.scopes == {"files:read", "files:write"}
    assert credential.caller == f"key:{key['key_id']}"
    assert key["api_key"].removeprefix("ak_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_key_alone_goes_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    result = run("create", "--organization", ORGANIZATION, "--file", str(file))

    assert result.stdout.startswith("ak_")
    assert len(result.stdout.split()) == 1
    assert "only this once" in result.stderr


def test_keys_are_listed_without_what_would_open_anything(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    forever, short = created(file), created(file, "--expires-in", "30m")

    listed = run("list", "--file", str(file), "--json").stdout
    table = run("list", "--file", str(file)).stdout

    assert [key["key_id"] for key in json.loads(listed)] == [forever["key_id"], short["key_id"]]
    assert [key["expires_at"] is None for key in json.loads(listed)] == [True, False]
    assert "sha256" not in listed
    assert forever["key_id"] in table
    assert "never" in table


def test_a_revoked_key_is_gone_and_the_others_and_foreign_fields_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one, other = created(file), created(file)
    contents = json.loads(file.read_text())
    contents["keys"][1]["owner"] = "the search team"
    file.write_text(json.dumps(contents))

    result = run("revoke", one["key_id"], "--file", str(file))

    (left,) = json.loads(file.read_text())["keys"]
    assert result.exit_code == 0
    assert (left["key_id"], left["owner"]) == (other["key_id"], "the search team")


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (("revoke", "key_none", "--file", "keys.json"), (1, "there is no key key_none")),
        (("revoke", "key_none", "--file", "absent.json"), (2, "cannot be read")),
        (("list", "--file", "broken.json"), (2, "not a valid file")),
        (("list",), (2, "no local stack in .milepost")),
        (("create", "--organization", "o", "--file", "absent/keys.json"), (2, "cannot be changed")),
        (("create", "--organization", "o", "--file", "broken.json"), (2, "not a valid file")),
        (("create", "--organization", "a/b", "--file", "keys.json"), (2, "letters, digits")),
        (("create", "--organization", "o", "--scopes", "all"), (2, "is none of")),
        (("create", "--organization", "o", "--expires-in", "soon"), (2, "not such as")),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    end: tuple[int, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILEPOST_API_KEYS_FILE", raising=False)
    (tmp_path / "broken.json").write_text("{")
    created(tmp_path / "keys.json")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    result = run(*arguments)

    code, reason = end
    assert result.exit_code == code
    assert reason in result.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_the_file_is_that_of_the_local_stack_else_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILEPOST_API_KEYS_FILE", str(tmp_path / "named.json"))
    run("create", "--organization", "org_environment")
    (tmp_path / ".milepost").mkdir()
    (tmp_path / ".milepost" / "stack.json").write_text("{}")
    run("create", "--organization", "org_stack")

    files = [tmp_path / "named.json", tmp_path / ".milepost" / "api-keys.json"]
    found = [[key.organization_id for key in KeysFile(file).read()] for file in files]

    assert found == [["org_environment"], ["org_stack"]]


def test_no_key_is_lost_when_several_are_made_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = KeysFile(file)
    created(file)
    (entry,) = first.read()

    with ThreadPoolExecutor(8) as threads:
        names = [f"key_{number}" for number in range(40)]
        for name in names:
            threads.submit(first.add, entry.model_copy(update={"key_id": name}))

    assert sorted(key.key_id for key in first.read()) == sorted([entry.key_id, *names])


async def test_a_running_service_takes_up_a_new_key_and_drops_a_revoked_one(
    redis_server: Server, model: StoredModel, tmp_path: Path
) -> None:
    await model.put(processing())
    file = tmp_path / "keys.json"
    kept = created(file)
    settings = {"redis_url": redis_server.address, "redis_prefix": model.prefix}
    async with (
        query_process(tmp_path / "log", **settings, api_keys_file=file) as query,
        httpx.AsyncClient(base_url=await query.url(), timeout=10) as client,
    ):
        key = json.loads(await milepost("create", "--organization", ORGANIZATION, file=file))
        await until(client, key["api_key"], 200)
        await milepost("revoke", key["key_id"], file=file)
        await until(client, key["api_key"], 401)
        others = await client.get(PATH, headers={"X-API-Key": kept["api_key"]})

    assert others.status_code == 200


async def test_a_service_is_told_by_its_environment_whose_tokens_it_accepts(
    redis_server: Server, model: StoredModel, keys_file: Path, tmp_path: Path
) -> None:
    await model.put(processing())
    jwks = tmp_path / "jwks.json"
    await asyncio.to_thread(jwks.write_text, key_set("one"))
    settings = {
        "redis_url": redis_server.address,
        "redis_prefix": model.prefix,
        "api_keys_file": keys_file,
        "jwt_jwks": jwks,
        "jwt_issuer": RULES.issuer,
        "jwt_audience": RULES.audience,
        "jwt_organization_claim": RULES.organization_claim,
    }
    async with (
        query_process(tmp_path / "log", **settings) as query,
        httpx.AsyncClient(base_url=await query.url(), timeout=10) as client,
    ):
        await until(client, token(), 200)
        stranger = await client.get(PATH, headers={"Authorization": f"Bearer {token('two')}"})

    assert stranger.status_code == 401


async def milepost(command: str, *arguments: str, file: Path) -> bytes:
    """The command as a user starts it."""
    as_json = ["--json"] if command == "create" else []
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("milepost")),
        *("keys", command, *arguments, *as_json),
        env={**os.environ, "MILEPOST_API_KEYS_FILE": str(file)},  # noqa: TID251  handed on
        cwd=file.parent,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def until(client: httpx.AsyncClient, key: str, status: int) -> None:
    async with asyncio.timeout(REVOKED_WITHIN_S):
        while True:
            response = await client.get(PATH, headers={"Authorization": f"Bearer {key}"})
            if response.status_code == status:
                return
            await asyncio.sleep(0.02)
