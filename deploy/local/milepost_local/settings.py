"""What the local stack takes from the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Addresses of servers that run already, and where to find what starts the others."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    kafka_bootstrap_servers: str | None = Field(
        default=None, validation_alias="MILEPOST_KAFKA_BOOTSTRAP_SERVERS"
    )
    """A Kafka that runs already, as `host:port,…`; None starts one."""

    redis_url: str | None = Field(default=None, validation_alias="MILEPOST_REDIS_URL")
    """A Redis that runs already; None starts one."""

    java_home: Path | None = Field(default=None, validation_alias="JAVA_HOME")
    """Where to look first for a Java 17 or newer."""

    docker_host: str = Field(default="unix:///var/run/docker.sock", validation_alias="DOCKER_HOST")
    """The Docker daemon to ask for containers; only a socket of this machine counts."""
