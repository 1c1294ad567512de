import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.authentication import Authentication
from milepost_query.access.credential import Credential
from milepost_query.access.tokens import NoTokens
from milepost_query.problems import ProblemError


@dataclass
class CountedTokens(NoTokens):
    """Takes every token for one of the organization that it names, until 100."""

    version: int = 0
    checked: Counter[bytes] = field(default_factory=Counter)

    def check(self, token: bytes) -> Credential:
        self.checked[token] += 1
        return Credential("user", token.decode(), frozenset(), 100.0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write(path, "ak_one")
    return path


def write(path: Path, *keys: str) -> None:
    path.write_text(
        json.dumps(
            {
                "keys": [
                    {
                        "key_id": key,
                        "sha256": sha256(key.encode()).hexdigest(),
                        "organization_id": "org_one",
                        "scopes": [],
                        "expires_at": "1970-01-01T00:01:40Z",
                    }
                    for key in keys
                ]
            }
        )
    )


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + token.encode()}


def test_a_token_is_checked_once_until_it_expires(keys_file: Path) -> None:
    tokens, clock = CountedTokens(), Clock(99.0)
    authentication = Authentication(ApiKeys(keys_file), clock, tokens)

    for _ in range(3):
        authentication.caller(bearer("one"))
    before = tokens.checked[b"one"]
    clock.now = 100.0
    authentication.caller(bearer("one"))

    assert (before, tokens.checked[b"one"]) == (1, 2)


def test_a_remembered_key_expires(keys_file: Path) -> None:
    clock = Clock(99.0)
    authentication = Authentication(ApiKeys(keys_file), clock)
    authentication.caller({b"x-api-key": b"ak_one"})

    clock.now = 100.0

    with pytest.raises(ProblemError, match="API_KEY_EXPIRED"):
        authentication.caller({b"x-api-key": b"ak_one"})


def test_what_was_checked_is_forgotten_when_the_keys_of_tokens_change(keys_file: Path) -> None:
    tokens = CountedTokens()
    authentication = Authentication(ApiKeys(keys_file), Clock(), tokens)
    authentication.caller(bearer("one"))

    tokens.version += 1
    authentication.caller(bearer("one"))

    assert tokens.checked[b"one"] == 2


def test_a_revoked_key_is_forgotten(keys_file: Path) -> None:
    api_keys = ApiKeys(keys_file)
    authentication = Authentication(api_keys, Clock())
    authentication.caller({b"x-api-key": b"ak_one"})

    write(keys_file, "ak_another")
    api_keys.refresh()

    with pytest.raises(ProblemError, match="INVALID_API_KEY"):
        authentication.caller({b"x-api-key": b"ak_one"})


def test_only_so_many_are_remembered_the_newest_of_them(keys_file: Path) -> None:
    tokens = CountedTokens()
    authentication = Authentication(ApiKeys(keys_file), Clock(), tokens, max_remembered=2)

    for name in ("one", "two", "three", "three", "two", "one"):
        authentication.caller(bearer(name))

    assert authentication.remembered == 2
    assert tokens.checked == {b"one": 2, b"two": 1, b"three": 1}


def test_nothing_that_was_refused_is_remembered(keys_file: Path) -> None:
    authentication = Authentication(ApiKeys(keys_file), Clock())

    with pytest.raises(ProblemError, match="TOKEN_INVALID"):
        authentication.caller(bearer("one"))

    assert authentication.remembered == 0
