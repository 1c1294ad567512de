"""Where the read model keeps what a status answer needs, in one generation of it."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from milepost_query.addresses import FileAddress
from milepost_query.freshness import Partition
from milepost_query.status import Status
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.meta import Meta
from milepost_schemas.record import split_status
from milepost_schemas.topics import partition_of

REMEMBERED_FILES: Final = 8_192
"""With their last status, about 1 KB each. Finding a partition takes microseconds in Python."""


class Location:
    """A file's place, and what was last found there."""

    __slots__ = (
        "_generation",
        "_organization_id",
        "_status",
        "_value",
        "hints",
        "key",
        "partition",
    )

    def __init__(
        self,
        keys: PartitionKeys,
        file_key: str,
        organization_id: str,
        *,
        partition: Partition,
        generation: int,
    ) -> None:
        self.key = keys.file(file_key)
        self.hints = keys.hints
        """The channel that says when the file may have changed."""
        self.partition = partition
        self._organization_id = organization_id.encode()
        self._generation = generation
        self._value: bytes | None = None
        self._status: Status | None = None

    def status(self, value: bytes | None) -> Status | None:
        """What the value of the key says; None if the organization has no such file.

        Most requests find what the one before found, which needs no second look.
        """
        if value != self._value:
            self._status = None if value is None else self._read(value)
            self._value = value
        return self._status

    def _read(self, value: bytes) -> Status | None:
        record = split_status(value)
        if record.organization_id != self._organization_id:
            return None
        return Status(value, record, self._generation)


class Layout:
    """The places of one generation; `locate` remembers the files asked for last."""

    def __init__(
        self, meta: Meta, keys: Keys, partition_at: Callable[[Meta, int], Partition]
    ) -> None:
        self.meta = meta
        self.places = [keys.partition(meta.generation, p) for p in range(meta.partitions)]
        self.partitions = [partition_at(meta, number) for number in range(meta.partitions)]
        self.locate = lru_cache(maxsize=REMEMBERED_FILES)(self._locate)

    def is_of(self, meta: Meta) -> bool:
        """Whether it is what the metadata name, whatever else has changed in them."""
        ours = (self.meta.generation, self.meta.partitions)
        return ours == (meta.generation, meta.partitions)

    def locate_each(self, addresses: Iterable[FileAddress]) -> list[Location]:
        return [self.locate(address) for address in addresses]

    def _locate(self, address: FileAddress) -> Location:
        key = file_key(address.store_id, address.file_id)
        number = partition_of(key.encode(), self.meta.partitions)
        return Location(
            self.places[number],
            key,
            address.organization_id,
            partition=self.partitions[number],
            generation=self.meta.generation,
        )
