"""The first step: from a file's content to its text."""

from milepost.file_report import AsyncFileReport
from milepost.step import AsyncStep
from milepost_pipeline.content import (
    FileRef,
    Source,
    path_of,
    recall_source,
    remember_source,
    remove_source,
)
from milepost_pipeline.failures import failure, file_too_large
from milepost_pipeline.filetypes import check_name
from milepost_pipeline.objects import ObjectMissingError, ObjectStore
from milepost_pipeline.outputs import Facts, StepRef, remove_outputs
from milepost_pipeline.reader import Reader
from milepost_schemas.events import EventData, FileRegistered, ProcessingRequested


class Extracting:
    """Is asked for by a registration with content, and by each further request."""

    name = "extracting"

    def __init__(self, objects: ObjectStore, reader: Reader, *, max_file_bytes: int) -> None:
        self._objects = objects
        self._reader = reader
        self._max_file_bytes = max_file_bytes

    def is_asked_for(self, data: EventData) -> bool:
        if isinstance(data, FileRegistered):
            return data.content_uri is not None
        return isinstance(data, ProcessingRequested)

    async def take_up(self, step: StepRef, data: EventData) -> bool:
        """Remember the source; a request for a file without one is for somebody else's pipeline."""
        if isinstance(data, FileRegistered) and data.content_uri is not None:
            source = Source(data.content_uri, data.name, data.mime_type)
            await remember_source(self._objects, step.file, source)
            return True
        return await recall_source(self._objects, step.file) is not None

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:  # noqa: ARG002  the protocol's
        source = await recall_source(self._objects, step.file)
        if source is None:
            raise failure("content_missing")
        path = path_of(self._objects, step.file, source.content_uri)
        await self._check_size(path, source.name)
        found = await self._reader.read(
            path, step.path("text.json"), name=source.name, mime_type=source.mime_type
        )
        return {"characters": found.characters, "pages": found.pages or None}

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None:
        """Nothing follows: the next stage hears `step.completed`."""

    async def forget(self, file: FileRef) -> None:
        await remove_outputs(self._objects, file, self.name)
        await remove_source(self._objects, file)

    async def _check_size(self, path: str, name: str) -> None:
        try:
            size_bytes = await self._objects.size_of(path)
        except ObjectMissingError as error:
            raise failure("content_missing") from error
        if size_bytes == 0:
            raise failure("empty_file")
        if size_bytes > self._max_file_bytes:
            check_name(name)
            raise file_too_large(size_bytes, self._max_file_bytes)
