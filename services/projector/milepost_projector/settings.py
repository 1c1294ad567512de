"""What the projector is told by its environment."""

from pydantic import Field, PositiveFloat, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost_primaries.url import RedisUrl
from milepost_schemas.keys import DEFAULT_PREFIX
from milepost_schemas.topics import DEAD_LETTER, EVENTS, STATUS


class Settings(BaseSettings):
    """Environment variables with the prefix `MILEPOST_`; Kafka's are `KafkaSettings`."""

    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_", frozen=True, hide_input_in_errors=True
    )

    redis_url: SecretStr
    redis_prefix: str = DEFAULT_PREFIX
    events_topic: str = EVENTS.name
    dead_letter_topic: str = DEAD_LETTER.name
    status_topic: str = STATUS.name
    projector_group: str = "milepost.projector"
    projector_http_host: str = "127.0.0.1"
    projector_http_port: int = Field(default=0, ge=0, le=65_535)
    """0 takes any free one and logs which: several projectors run side by side."""
    projector_ready_within_s: float = Field(default=10.0, gt=0)
    """A partition without progress for longer is not ready."""
    stalled_after_s: PositiveFloat = 60
    failed_after_s: PositiveFloat = 900
    queued_failed_after_s: PositiveFloat = 86_400

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr) -> SecretStr:
        RedisUrl.parse(url.get_secret_value())
        return url
