"""Files in Redis as a projector leaves them, indexes, counts and log lines included."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from milepost_projector.read_model import (
    NO_CHECKPOINT,
    ReadModelUnavailableError,
    RedisReadModel,
)
from milepost_projector.slices import Indexed, Slice, SliceWriter, Slot, indexed
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document, Status
from milepost_schemas.identity import file_key
from milepost_schemas.keys import Keys, PartitionKeys
from milepost_schemas.logs import LogLine
from milepost_schemas.meta import Meta
from milepost_schemas.topics import partition_of
from tests.integration.query.running import ORGANIZATION
from tests.integration.query.stored_model import now_ms

Answer = TypeVar("Answer")


class ProjectedFiles:
    """One generation, written with the projector's script."""

    def __init__(
        self, redis_url: str, prefix: str, *, generation: int = 1, partitions: int = 4
    ) -> None:
        self.prefix = prefix
        self._read_model = RedisReadModel(redis_url, Keys(prefix))
        self._keys = Keys(prefix)
        self._generation = generation
        self._partitions = partitions
        self._indexed: dict[str, Indexed | None] = {}
        self._checkpoints: dict[int, Checkpoint] = {}

    async def begin(self) -> None:
        """Empty partitions, and the metadata that name them."""
        for number in range(self._partitions):
            await self._write(number, SliceWriter(self._place(number)))
        meta = Meta(self._generation, self._partitions, 1).encode()
        await _answered(partial(self._read_model.call, "SET", self._keys.meta, meta))

    async def aclose(self) -> None:
        await self._read_model.close()

    async def put(self, *documents: Document) -> None:
        """The newest documents of files."""
        by_partition: dict[int, list[Document]] = defaultdict(list)
        for document in documents:
            by_partition[self.partition_of(document)].append(document)
        for number, of in by_partition.items():
            writer = SliceWriter(self._place(number))
            for document in of:
                key = file_key(document.store_id, document.file_id)
                slot = Slot(key.encode(), document, self._indexed.get(key))
                writer.changed[slot.key] = slot
                self._indexed[key] = indexed(document)
            await self._write(number, writer)

    async def log(self, document: Document, lines: Sequence[LogLine]) -> None:
        number = self.partition_of(document)
        writer = SliceWriter(self._place(number))
        for line in lines:
            writer.line(file_key(document.store_id, document.file_id).encode(), line)
        await self._write(number, writer)

    async def move(self, number: int, checkpoint: Checkpoint) -> None:
        """Nothing but the checkpoint, whatever it was."""
        self._checkpoints[number] = checkpoint
        await self._read_model.call("SET", self._place(number).checkpoint, checkpoint.encode())

    async def mislist(self, document: Document, *, status: Status | None = None) -> None:
        """An entry of the index that the document does not agree with."""
        number = self.partition_of(document)
        of = ORGANIZATION, document.store_id
        place = self._place(number)
        name = place.files(*of) if status is None else place.files_by_status(*of, status)
        await self._read_model.call("ZADD", name, document.created_at, document.file_id)

    async def as_of_now(self) -> None:
        """Every partition has reached the end of its log."""
        for number in range(self._partitions):
            await self._write(number, SliceWriter(self._place(number)))

    def partition_of(self, document: Document) -> int:
        key = file_key(document.store_id, document.file_id)
        return partition_of(key.encode(), self._partitions)

    def _place(self, number: int) -> PartitionKeys:
        return self._keys.partition(self._generation, number)

    async def _write(self, number: int, writer: SliceWriter) -> None:
        records, commands = writer.close()
        before = self._checkpoints.get(number)
        offset = (before.next_offset if before else 0) + 1
        after = Checkpoint(offset, now_ms(), offset)
        expected = before.encode() if before else NO_CHECKPOINT
        slice_ = Slice(number, expected, after.encode(), offset, records, commands)
        write = partial(self._read_model.write, [slice_], [self._place(number)])
        assert await _answered(write) == [after.encode()]
        self._checkpoints[number] = after


async def _answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """A busy machine may keep Redis from answering in time; what is asked here may be repeated."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except ReadModelUnavailableError:
                await asyncio.sleep(0.1)
