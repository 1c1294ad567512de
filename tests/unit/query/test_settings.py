import pytest
from pydantic import ValidationError

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
