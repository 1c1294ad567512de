"""The names of the read model's Redis keys.

All keys of a partition carry the same hash tag, so that one script can change any of them together
with the checkpoint, on a single Redis and on a cluster alike.
"""

from dataclasses import dataclass

from milepost_schemas.document import Status

DEFAULT_PREFIX = "mp"


@dataclass(frozen=True)
class Keys:
    """All names of one read model."""

    prefix: str = DEFAULT_PREFIX

    @property
    def meta(self) -> str:
        """String: `meta.Meta`, which names the active generation."""
        return f"{self.prefix}:meta"

    @property
    def rebuild(self) -> str:
        """String with a time to live: the name of the rebuild that is running."""
        return f"{self.prefix}:rebuild"

    def partition(self, generation: int, partition: int) -> "PartitionKeys":
        return PartitionKeys(f"{self.prefix}:{{g{generation}.p{partition}}}:")


@dataclass(frozen=True)
class PartitionKeys:
    """The names of one partition in one generation; `tag` starts each of them."""

    tag: str

    @property
    def checkpoint(self) -> str:
        """String: `checkpoint.Checkpoint`."""
        return f"{self.tag}c"

    @property
    def published(self) -> str:
        """String: next offset up to which the status topic is complete."""
        return f"{self.tag}p"

    @property
    def hints(self) -> str:
        """Sharded pub/sub channel: the file keys of a slice, space-separated, once it is there."""
        return f"{self.tag}h"

    @property
    def open_files(self) -> str:
        """Set: file keys of attempts that have not ended."""
        return f"{self.tag}o"

    def file(self, file_key: str) -> str:
        """String: `record`, the file's document behind its rendered status."""
        return f"{self.tag}f:{file_key}"

    def log(self, file_key: str) -> str:
        """List: the file's log lines, oldest first."""
        return f"{self.tag}l:{file_key}"

    def files(self, organization_id: str, store_id: str) -> str:
        """Sorted set: the file ids of a store, by creation time in seconds."""
        return f"{self.tag}i:{organization_id}/{store_id}"

    def files_by_status(self, organization_id: str, store_id: str, status: Status) -> str:
        """Sorted set: the file ids of a store in one status, by creation time in seconds."""
        return f"{self.tag}i:{organization_id}/{store_id}/{status}"

    def usage(self, organization_id: str) -> str:
        """Hash: `<store>/files`, `<store>/bytes` and `<store>/<status>` as counts."""
        return f"{self.tag}u:{organization_id}"
