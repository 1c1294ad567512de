"""Where the commands work: a running local stack, or what the environment says."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from pydantic import ValidationError

from milepost.connection import KafkaSettings
from milepost.local_stack import NoTargetError, read_stack
from milepost_pipeline.ingest import IngestTarget
from milepost_pipeline.settings import CommandSettings


@dataclass(frozen=True)
class SearchTarget:
    """Which store is searched, and where its index lies."""

    organization_id: str
    store_id: str
    index_file: Path


class _Stack(msgspec.Struct):
    """What the commands need of a local stack's `stack.json`."""

    kafka_bootstrap_servers: str
    organization_id: str
    store_id: str


def ingest_target(data: Path) -> IngestTarget:
    """Return the store of the local stack in a folder, else the environment's.

    Raises:
        NoTargetError: there is neither.
    """
    stack = read_stack(data, _Stack)
    if stack is not None:
        kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
        objects_url = (data.resolve() / "objects").as_uri()
        return IngestTarget(stack.organization_id, stack.store_id, kafka, objects_url)
    settings = CommandSettings()
    if not (settings.organization_id and settings.store_id and settings.objects_url):
        raise _no_target(data, "MILEPOST_OBJECTS_URL")
    try:
        # pydantic fills the required fields from the environment, which mypy cannot see.
        kafka = KafkaSettings()
    except ValidationError as error:
        raise _no_target(data, "MILEPOST_KAFKA_BOOTSTRAP_SERVERS") from error
    return IngestTarget(
        settings.organization_id,
        settings.store_id,
        kafka,
        settings.objects_url,
        settings.events_topic,
    )


def search_target(data: Path) -> SearchTarget:
    """Return the index of the local stack in a folder, else the environment's.

    Raises:
        NoTargetError: there is neither.
    """
    stack = read_stack(data, _Stack)
    if stack is not None:
        return SearchTarget(stack.organization_id, stack.store_id, data / "index.sqlite")
    settings = CommandSettings()
    if not (settings.organization_id and settings.store_id and settings.index_file):
        raise _no_target(data, "MILEPOST_INDEX_FILE")
    return SearchTarget(settings.organization_id, settings.store_id, settings.index_file)


def _no_target(data: Path, variable: str) -> NoTargetError:
    return NoTargetError(
        f"no local stack in {data}; start one with `milepost up`, name its folder with --data, or "
        f"set MILEPOST_ORGANIZATION_ID, MILEPOST_STORE_ID and {variable}"
    )
