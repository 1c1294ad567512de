"""What the query service is told by its environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost_schemas.keys import DEFAULT_PREFIX


class QuerySettings(BaseSettings):
    """Read once, when the process starts."""

    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    redis_url: SecretStr
    """`redis://` or `rediss://` address; it may hold a password."""
    redis_prefix: str = DEFAULT_PREFIX
    """Start of every key of the read model."""
    api_keys_file: Path
    """JSON file with the digests of the accepted API keys; read again when it changes."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65_535)
    """0 takes any free port and logs which."""
