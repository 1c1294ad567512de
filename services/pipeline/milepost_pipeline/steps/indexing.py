"""The last step: chunks and vectors into the index, where a search finds them."""

import asyncio

import msgspec

from milepost.file_report import AsyncFileReport
from milepost.step import AsyncStep
from milepost_pipeline.content import FileRef
from milepost_pipeline.index import VectorIndex
from milepost_pipeline.objects import ObjectStore
from milepost_pipeline.outputs import Facts, StepRef
from milepost_pipeline.overtaking import OvertakenError
from milepost_pipeline.steps.following import FollowingStep
from milepost_pipeline.text import ChunkedText
from milepost_pipeline.vectors import from_bytes


class Indexing(FollowingStep):
    """Writes all chunks in one transaction, and with it the file is completed."""

    name = "indexing"
    previous = "embedding"

    def __init__(self, objects: ObjectStore, index: VectorIndex) -> None:
        super().__init__(objects)
        self._index = index

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:
        chunked = await self._input(step, "chunking", "chunks.json")
        vectors = from_bytes(await self._input(step, self.previous, "vectors.f32"))
        document = msgspec.json.decode(chunked, type=ChunkedText)
        report.update(total_units=len(document.chunks))
        is_written = await asyncio.to_thread(
            self._index.write, step.file, step.attempt, document, vectors
        )
        if not is_written:
            raise OvertakenError
        report.advance(len(document.chunks))
        return {"chunk_count": len(document.chunks)}

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None:
        count = facts["chunk_count"]
        await report.completed(chunk_count=count if isinstance(count, int) else None)

    async def forget(self, file: FileRef) -> None:
        await asyncio.to_thread(self._index.remove, file)
        await super().forget(file)
