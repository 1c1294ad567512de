import json
from pathlib import Path

import pytest

from milepost.errors import InvalidApiKeyError
from milepost.http import AsyncMilepost, Milepost
from milepost.local_stack import NoTargetError
from milepost.query_target import find_query

STACK = {
    "query_url": "http://127.0.0.1:8080",
    "kafka_bootstrap_servers": "127.0.0.1:9092",
    "api_key": "ak_stack",
    "organization_id": "org_local",
    "store_id": "vs_local",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_URL", "https://milepost.example")
    monkeypatch.setenv("MILEPOST_API_KEY", "ak_secret")
    monkeypatch.setenv("MILEPOST_ORGANIZATION", "org_1")


def test_without_a_local_stack_the_environment_says_where_to_ask(tmp_path: Path) -> None:
    target = find_query(tmp_path, store="vs_1")

    assert (target.url, target.organization, target.store) == (
        "https://milepost.example",
        "org_1",
        "vs_1",
    )
    assert target.api_key.get_secret_value() == "ak_secret"


def test_a_local_stack_comes_first_and_options_before_both(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(STACK))

    target = find_query(tmp_path, organization="org_2")

    assert target.api_key.get_secret_value() == "ak_stack"
    assert (target.organization, target.store) == ("org_2", "vs_local")


def test_a_stack_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")

    with pytest.raises(NoTargetError, match=r"cannot read .*stack\.json"):
        find_query(tmp_path)


@pytest.mark.parametrize(
    "url", ["milepost.example", "ftp://x", "http://", "https://x:port", "http://a b"]
)
def test_what_is_no_url_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MILEPOST_URL", url)

    with pytest.raises(NoTargetError, match="MILEPOST_URL is"):
        find_query(tmp_path)


def test_a_target_never_shows_its_key(tmp_path: Path) -> None:
    target = find_query(tmp_path)

    assert "ak_secret" not in f"{target!r} {target} {target.model_dump_json()}"


@pytest.mark.parametrize("key", ["", "ak_secret\n", "ak_é", "ak secret"])
@pytest.mark.parametrize("client", [Milepost, AsyncMilepost])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    client: type[Milepost], key: str
) -> None:
    with pytest.raises(InvalidApiKeyError) as caught:
        client(base_url="http://127.0.0.1", api_key=key)

    assert "secret" not in str(caught.value)
