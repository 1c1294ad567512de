"""The second step: from text to chunks."""

import asyncio

import msgspec

from milepost.step import AsyncStep
from milepost_pipeline.chunks import segments, split
from milepost_pipeline.outputs import Facts, StepRef
from milepost_pipeline.steps.following import FollowingStep
from milepost_pipeline.text import ChunkedText, ExtractedText


class Chunking(FollowingStep):
    """Counts segments of the text as its units."""

    name = "chunking"
    previous = "extracting"

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:
        data = await self._input(step, self.previous, "text.json")
        document = await asyncio.to_thread(msgspec.json.decode, data, type=ExtractedText)
        parts = segments(document)
        report.update(total_units=len(parts))
        chunks = []
        for part in parts:
            chunks += await asyncio.to_thread(split, document, *part)
            report.advance()
        output = ChunkedText(document.name, chunks)
        await self._objects.write(step.path("chunks.json"), msgspec.json.encode(output))
        return {"chunk_count": len(chunks)}
