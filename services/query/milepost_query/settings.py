"""What the query service is told by its environment."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost_primaries.url import RedisUrl
from milepost_query.file_config import NO_LIMIT, UPLOAD_CHUNK_BYTES
from milepost_schemas.filetypes import MAX_FILE_BYTES
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
    """One Redis, a cluster or sentinels, as `RedisUrl` says; it may hold a password."""
    redis_prefix: str = DEFAULT_PREFIX
    """Start of every key of the read model."""
    api_keys_file: Path
    """JSON file with the digests of the accepted API keys; read again when it changes."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65_535)
    """0 takes any free port and logs which."""
    max_file_bytes: int = Field(default=MAX_FILE_BYTES, gt=0)
    """Largest file that is read, as `/v1/files/config` says; the pipeline's setting."""
    upload_chunk_bytes: int = Field(default=UPLOAD_CHUNK_BYTES, gt=0)
    """Size of the parts of a large upload, as `/v1/files/config` says."""
    storage_limit_bytes: int = Field(default=NO_LIMIT, gt=0)
    """What an organization may store, as its usage says; told, not enforced."""

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr) -> SecretStr:
        RedisUrl.parse(url.get_secret_value())
        return url
