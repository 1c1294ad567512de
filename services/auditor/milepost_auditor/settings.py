"""What the commands are told by their environment."""

from pydantic import RedisDsn
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost_schemas.keys import DEFAULT_PREFIX
from milepost_schemas.topics import DEAD_LETTER, EVENTS, STATUS


class Settings(BaseSettings):
    """Environment variables with the prefix `MILEPOST_`; Kafka's are `KafkaSettings`."""

    model_config = SettingsConfigDict(env_prefix="MILEPOST_", frozen=True)

    redis_url: RedisDsn | None = None
    redis_prefix: str = DEFAULT_PREFIX
    events_topic: str = EVENTS.name
    dead_letter_topic: str = DEAD_LETTER.name
    status_topic: str = STATUS.name
