"""The third step: from chunks to vectors."""

import asyncio

import msgspec

from milepost.step import AsyncStep
from milepost_pipeline.objects import ObjectStore
from milepost_pipeline.outputs import Facts, StepRef
from milepost_pipeline.steps.following import FollowingStep
from milepost_pipeline.text import ChunkedText
from milepost_pipeline.vectors import Embedder

_CHUNKS_AT_ONCE = 256


class Embedding(FollowingStep):
    """Counts chunks as its units."""

    name = "embedding"
    previous = "chunking"

    def __init__(self, objects: ObjectStore, embedder: Embedder) -> None:
        super().__init__(objects)
        self._embedder = embedder

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:
        data = await self._input(step, self.previous, "chunks.json")
        texts = [chunk.text for chunk in msgspec.json.decode(data, type=ChunkedText).chunks]
        report.update(total_units=len(texts))
        vectors = bytearray()
        for first in range(0, len(texts), _CHUNKS_AT_ONCE):
            batch = texts[first : first + _CHUNKS_AT_ONCE]
            vectors += (await asyncio.to_thread(self._embedder.embed, batch)).tobytes()
            report.advance(len(batch))
        await self._objects.write(step.path("vectors.f32"), bytes(vectors))
        return {"chunk_count": len(texts)}
