"""What the pipeline and its commands are told by their environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from milepost_schemas.filetypes import MAX_FILE_BYTES
from milepost_schemas.topics import EVENTS


class Settings(BaseSettings):
    """Environment variables with the prefix `MILEPOST_`; Kafka's are `KafkaSettings`."""

    model_config = SettingsConfigDict(
        env_prefix="MILEPOST_", frozen=True, use_attribute_docstrings=True
    )

    objects_url: str
    """Where content and outputs lie: `file:///…`, `s3://…`, `gs://…` or `az://…`."""
    index_file: Path
    """The vector index, an SQLite file."""
    events_topic: str = EVENTS.name
    """The log."""
    pipeline_group: str = "milepost.pipeline"
    """Beginning of the consumer groups' names; each stage adds its own."""
    max_file_bytes: int = Field(default=MAX_FILE_BYTES, gt=0)
    """Largest file that is read."""
    read_timeout_s: float = Field(default=120, gt=0)
    """Longest time for the extraction of one file's text."""
    readers: int = Field(default=2, gt=0)
    """How many files are read at once, each in a process of its own."""
    reader_memory_bytes: int = Field(default=2_000_000_000, gt=0)
    """Most memory of such a process, where the kernel can limit it."""
    storage_patience_s: float = Field(default=600, gt=0)
    """How long a file waits for an object store or index that does not answer, until it fails."""


class CommandSettings(BaseSettings):
    """Where `milepost ingest` and `milepost search` work when no local stack is there."""

    model_config = SettingsConfigDict(env_prefix="MILEPOST_", frozen=True)

    objects_url: str | None = None
    index_file: Path | None = None
    organization_id: str | None = None
    store_id: str | None = None
    events_topic: str = EVENTS.name
