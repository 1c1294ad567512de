"""Where `milepost rebuild` works: a running local stack, or what the environment says."""

from pathlib import Path

import msgspec
from pydantic import SecretStr, ValidationError

from milepost.connection import KafkaSettings
from milepost.local_stack import NoTargetError, read_stack
from milepost_projector.rebuild.filling import Source
from milepost_projector.settings import Settings


class _Stack(msgspec.Struct):
    """What the command needs of a local stack's `stack.json`."""

    kafka_bootstrap_servers: str
    redis_url: str


def find_source(data: Path) -> Source:
    """The log and the read model of the local stack in a folder, else the environment's.

    Raises:
        NoTargetError: there is neither.
    """
    stack = read_stack(data, _Stack)
    try:
        # pydantic fills required fields from the environment, which mypy cannot see.
        if stack is None:
            settings, kafka = Settings(), KafkaSettings()
        else:
            settings = Settings(redis_url=SecretStr(stack.redis_url))
            kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    except ValidationError as error:
        raise NoTargetError(
            f"no local stack in {data}; start one with `milepost up`, name its folder with "
            "--data, or set MILEPOST_KAFKA_BOOTSTRAP_SERVERS and MILEPOST_REDIS_URL"
        ) from error
    return Source(
        kafka,
        settings.events_topic,
        settings.projector_group,
        settings.redis_url.get_secret_value(),
        settings.redis_prefix,
    )
