import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from milepost import KafkaSettings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:9092")

    assert KafkaSettings().client_options()["bootstrap_servers"] == "a:9092,b:9092"


def test_the_address_of_the_brokers_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_KAFKA_BOOTSTRAP_SERVERS", raising=False)

    with pytest.raises(ValidationError, match="bootstrap_servers"):
        KafkaSettings()


def test_the_password_shows_nowhere_but_in_the_client_options() -> None:
    settings = KafkaSettings(
        bootstrap_servers="a:9092",
        security_protocol="SASL_PLAINTEXT",
        sasl_username="milepost",
        sasl_password=SecretStr("hunter2"),
    )

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    assert "hunter2" in settings.client_options().values()


def test_only_encrypted_protocols_get_a_tls_context() -> None:
    plain = KafkaSettings(bootstrap_servers="a:9092")
    encrypted = KafkaSettings(bootstrap_servers="a:9092", security_protocol="SSL")

    assert plain.client_options()["ssl_context"] is None
    context = encrypted.client_options()["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_certificate_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    settings = KafkaSettings(bootstrap_servers="a:9092", security_protocol="SSL", ssl_cafile=path)

    with pytest.raises(ssl.SSLError):
        settings.client_options()
