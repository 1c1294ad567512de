import pytest
from pydantic import ValidationError

from milepost_query.access.tokens import TokenRules
from milepost_query.settings import QuerySettings


def test_a_cluster_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_API_KEYS_FILE", "keys.json")
    monkeypatch.setenv("MILEPOST_REDIS_URL", "redis+cluster://:hunter2@one,two")

    settings = QuerySettings()

    assert settings.redis_url.get_secret_value() == "redis+cluster://:hunter2@one,two"
    assert "hunter2" not in repr(settings)


def test_a_redis_url_of_no_known_form_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILEPOST_API_KEYS_FILE", "keys.json")
    monkeypatch.setenv("MILEPOST_REDIS_URL", "redis+cluster://:hunter2@one/7")

    with pytest.raises(ValidationError, match="no database but 0") as refused:
        QuerySettings()

    assert "hunter2" not in str(refused.value)


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_API_KEYS_FILE", "keys.json")
    monkeypatch.setenv("MILEPOST_REDIS_URL", "redis://one")


@pytest.mark.usefixtures("required")
def test_tokens_are_accepted_by_the_rules_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = QuerySettings().token_rules
    monkeypatch.setenv("MILEPOST_JWT_JWKS", "https://issuer.example/jwks")
    monkeypatch.setenv("MILEPOST_JWT_ISSUER", "https://issuer.example")
    monkeypatch.setenv("MILEPOST_JWT_AUDIENCE", "milepost")
    monkeypatch.setenv("MILEPOST_JWT_ALGORITHMS", "PS256, EdDSA")
    monkeypatch.setenv("MILEPOST_JWT_ORGANIZATION_CLAIM", "org")

    assert without is None
    assert QuerySettings().token_rules == TokenRules(
        "https://issuer.example", "milepost", ("PS256", "EdDSA"), "org"
    )


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    ("names", "values"),
    [
        (("JWKS",), ("jwks.json",)),
        (("ISSUER", "AUDIENCE"), ("https://issuer.example", "milepost")),
        (("ALGORITHMS",), ("HS256",)),
        (("ALGORITHMS",), ("RS256,none",)),
        (("ALGORITHMS",), ("",)),
        (("JWKS", "ISSUER", "AUDIENCE"), ("http://issuer.example/jwks", "i", "a")),
    ],
)
def test_rules_for_tokens_that_would_let_anybody_in_are_refused(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], values: tuple[str, ...]
) -> None:
    for name, value in zip(names, values, strict=True):
        monkeypatch.setenv(f"MILEPOST_JWT_{name}", value)

    with pytest.raises(ValidationError):
        QuerySettings()
