"""How to reach Kafka."""

import ssl
from typing import Any, Literal

from pydantic import Field, FilePath, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_SSL_PROTOCOLS = ("SSL", "SASL_SSL")


class KafkaSettings(BaseSettings):
    """Addresses and credentials of the brokers, from `MILEPOST_KAFKA_*` or keyword arguments."""

    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_KAFKA_", frozen=True, use_attribute_docstrings=True
    )

    bootstrap_servers: str = Field(min_length=1)
    """`host:port`, several separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are encrypted and authenticated."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """Used with the two SASL protocols."""
    sasl_username: str | None = None
    """Used with the two SASL protocols."""
    sasl_password: SecretStr | None = None
    """Used with the two SASL protocols."""
    ssl_cafile: FilePath | None = None
    """Certificates of the authorities to trust, PEM; the system's by default."""
    ssl_certfile: FilePath | None = None
    """The client's own certificate, PEM, where brokers ask for one."""
    ssl_keyfile: FilePath | None = None
    """The key of `ssl_certfile`, PEM, if it is not in the same file."""

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client takes; reads the certificate files.

        Raises:
            OSError: a certificate file cannot be read, or is none (`ssl.SSLError`).
        """
        password = self.sasl_password
        return {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": None if password is None else password.get_secret_value(),
        }

    def librdkafka_options(self) -> dict[str, str]:
        """The same as configuration properties of librdkafka, for clients that are built on it."""
        password = self.sasl_password
        options = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "ssl.ca.location": self.ssl_cafile,
            "ssl.certificate.location": self.ssl_certfile,
            "ssl.key.location": self.ssl_keyfile or self.ssl_certfile,
        }
        if self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
            options |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": None if password is None else password.get_secret_value(),
            }
        return {name: str(value) for name, value in options.items() if value is not None}

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self.security_protocol not in _SSL_PROTOCOLS:
            return None
        context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile is not None:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context
