"""What a step leaves behind: objects, and a manifest that is written when they are complete."""

from dataclasses import dataclass

import msgspec

from milepost_pipeline.content import FileRef
from milepost_pipeline.objects import ObjectMissingError, ObjectStore

Facts = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class StepRef:
    """A step of an attempt at a file."""

    file: FileRef
    attempt: int
    step: str

    @property
    def folder(self) -> str:
        return f"{self.file.folder}/{self.attempt}/{self.step}"

    def uri(self, objects: ObjectStore) -> str:
        """Return what `step.completed` names as the place of the output."""
        return f"{objects.url}/{self.folder}"

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"


async def find_manifest(objects: ObjectStore, step: StepRef) -> Facts | None:
    """Return the facts about a finished step, or None while it is not finished."""
    try:
        data = await objects.read(step.path("manifest.json"))
    except ObjectMissingError:
        return None
    return msgspec.json.decode(data, type=Facts)


async def write_manifest(objects: ObjectStore, step: StepRef, facts: Facts) -> None:
    """Declare a step finished. Only after everything else of the step is stored."""
    await objects.write(step.path("manifest.json"), msgspec.json.encode(facts))


async def remove_outputs(objects: ObjectStore, file: FileRef, step: str) -> None:
    """Remove what the step wrote for any attempt at the file."""
    paths = await objects.list(file.folder)
    depth = file.folder.count("/") + 2
    await objects.remove([path for path in paths if path.split("/")[depth:][:1] == [step]])
