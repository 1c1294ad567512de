"""A step that goes on from the output of the one before it."""

from milepost.file_report import AsyncFileReport
from milepost_pipeline.content import FileRef
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import ObjectMissingError, ObjectStore
from milepost_pipeline.outputs import Facts, StepRef, remove_outputs
from milepost_schemas.events import EventData, StepCompleted


class FollowingStep:
    """Is asked for by the `step.completed` of the step before, if its output is in our store.

    Others may run steps of the same names on the same log; their outputs are elsewhere.
    """

    name: str
    previous: str

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def is_asked_for(self, data: EventData) -> bool:
        if not isinstance(data, StepCompleted) or data.step != self.previous:
            return False
        file = FileRef(data.organization_id, data.store_id, data.file_id)
        ours = StepRef(file, data.attempt, data.step).uri(self._objects)
        return (data.output or {}).get("output_uri") == ours

    async def take_up(self, step: StepRef, data: EventData) -> bool:  # noqa: ARG002  the protocol's
        return True

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None:
        """Nothing follows: the next stage hears `step.completed`."""

    async def forget(self, file: FileRef) -> None:
        await remove_outputs(self._objects, file, self.name)

    async def _input(self, step: StepRef, previous: str, name: str) -> bytes:
        """Return an object that an earlier step left."""
        try:
            return await self._objects.read(StepRef(step.file, step.attempt, previous).path(name))
        except ObjectMissingError as error:
            raise failure("output_missing") from error
