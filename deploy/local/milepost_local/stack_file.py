"""`stack.json`: where a running stack is, for tests, benchmarks and people's scripts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from milepost_local.data_directory import write_private


@dataclass(frozen=True)
class Stack:
    """Where a stack is. The names of the fields are those in the file: scripts read them."""

    query_url: str
    kafka_bootstrap_servers: str
    redis_url: str
    api_key: str
    organization_id: str
    store_id: str
    file_ids: Sequence[str] = ()
    """Of the files that were given, in their order."""
    pids: Mapping[str, int] = field(default_factory=dict)
    """By name, of the processes that run; without those that somebody else runs."""

    def status_url(self, file_id: str) -> str:
        """Where the status of a file is asked for."""
        return (
            f"{self.query_url}/v1/organizations/{self.organization_id}"
            f"/stores/{self.store_id}/files/{file_id}/status"
        )


class StackFile:
    """The file, absent until the first `publish` and true from then on."""

    def __init__(self, path: Path) -> None:
        """Removes what an earlier stack left."""
        self._path = path
        self._published: Stack | None = None
        path.unlink(missing_ok=True)

    def publish(self, stack: Stack) -> None:
        """Writes the file, readable by its owner only; it is replaced at once."""
        self._published = stack
        write_private(self._path, json.dumps(asdict(stack), indent=2) + "\n")

    def update(self, pids: Mapping[str, int]) -> None:
        """Writes the file again with other processes, if it was published."""
        if self._published:
            self.publish(replace(self._published, pids=pids))
