"""Which Kafka the commands work with: that of a running local stack, or the environment's."""

from pathlib import Path

import msgspec
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost.connection import KafkaSettings
from milepost.local_stack import NoTargetError, read_stack
from milepost_schemas.topics import DEAD_LETTER, STATUS


class CommandSettings(BaseSettings):
    """Topics that do not have their usual names, from `MILEPOST_*`."""

    model_config = SettingsConfigDict(env_prefix="MILEPOST_", frozen=True)

    status_topic: str = STATUS.name
    dead_letter_topic: str = DEAD_LETTER.name


class _Stack(msgspec.Struct):
    """What the commands need of a local stack's `stack.json`."""

    kafka_bootstrap_servers: str


def find_kafka(data: Path) -> KafkaSettings:
    """The Kafka of the local stack in a folder, else the environment's.

    Raises:
        NoTargetError: there is neither.
    """
    stack = read_stack(data, _Stack)
    if stack is None:
        return _from_environment(data)
    return KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)


def _from_environment(data: Path) -> KafkaSettings:
    try:
        # pydantic fills the required fields from the environment, which mypy cannot see.
        return KafkaSettings()
    except ValidationError as error:
        raise NoTargetError(
            f"no local stack in {data}; start one with `milepost up`, name its folder with "
            "--data, or set MILEPOST_KAFKA_BOOTSTRAP_SERVERS"
        ) from error
