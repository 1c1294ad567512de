"""What a stage needs to know of its step."""

from typing import Protocol

from milepost.file_report import AsyncFileReport
from milepost.step import AsyncStep
from milepost_pipeline.content import FileRef
from milepost_pipeline.outputs import Facts, StepRef
from milepost_schemas.events import EventData

PLAN = {"extracting": 40, "chunking": 10, "embedding": 40, "indexing": 10}
"""The steps in their order, with their shares of the whole."""


class Step(Protocol):
    """The work of one stage on one file. Each method may run again after a crash."""

    name: str

    def is_asked_for(self, data: EventData) -> bool:
        """Whether the event asks for this step, as far as the event itself can tell."""

    async def take_up(self, step: StepRef, data: EventData) -> bool:
        """Keep what the event says; return False when the file turns out to be none of ours."""

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:
        """Do the work, leave the output durably, return small facts about it.

        Raises:
            ProcessingError: the file cannot be processed.
            OvertakenError: the log has made the work pointless.
            StorageUnavailableError: not now.
        """

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None:
        """Publish what follows the completion of the step."""

    async def forget(self, file: FileRef) -> None:
        """Remove everything that the step left of a deleted file."""
