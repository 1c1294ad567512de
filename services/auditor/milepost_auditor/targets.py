"""What is audited: a running local stack, or what the environment says."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from pydantic import RedisDsn, ValidationError

from milepost.connection import KafkaSettings
from milepost.local_stack import NoTargetError, read_stack
from milepost_auditor.settings import Settings


@dataclass(frozen=True)
class Target:
    """Where log and read model are, and how their parts are named."""

    kafka: KafkaSettings
    names: Settings

    @property
    def prefix(self) -> str:
        return self.names.redis_prefix

    @property
    def redis_url(self) -> str:
        """Where the read model is.

        Raises:
            NoTargetError: nobody said so.
        """
        if self.names.redis_url is None:
            raise NoTargetError("set MILEPOST_REDIS_URL: there is no read model to compare")
        return str(self.names.redis_url)


class _Stack(msgspec.Struct):
    """What the commands need of a local stack's `stack.json`."""

    kafka_bootstrap_servers: str
    redis_url: str


def find_target(data: Path) -> Target:
    """The local stack that runs in a folder, else the environment's.

    Raises:
        NoTargetError: there is neither.
    """
    stack = read_stack(data, _Stack)
    if stack is not None:
        kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
        return Target(kafka, Settings(redis_url=RedisDsn(stack.redis_url)))
    try:
        settings = Settings()
        # pydantic fills the required fields from the environment, which mypy cannot see.
        kafka = KafkaSettings()
    except ValidationError as error:
        raise _no_target(data) from error
    return Target(kafka, settings)


def _no_target(data: Path) -> NoTargetError:
    return NoTargetError(
        f"no local stack in {data}; start one with `milepost up`, name its folder with --data, or "
        "set MILEPOST_KAFKA_BOOTSTRAP_SERVERS and MILEPOST_REDIS_URL"
    )
