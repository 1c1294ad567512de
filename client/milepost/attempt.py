"""One attempt at one file, as its report and its steps share it."""

from typing import TypedDict

from milepost.errors import PublishError
from milepost.failure import failure_of
from milepost.outbox import Position
from milepost.outlet import Outlet
from milepost_schemas.codec import InvalidRecordError
from milepost_schemas.events import EventData, ProcessingFailed


class AttemptIds(TypedDict):
    """What the data of every event names."""

    organization_id: str
    store_id: str
    file_id: str
    attempt: int


class Attempt:
    """Publishes the facts of one attempt, and its failure once."""

    def __init__(self, outlet: Outlet, ids: AttemptIds, traceparent: str | None) -> None:
        self.outlet = outlet
        self.ids = ids
        self.open_step: str | None = None
        self._traceparent = traceparent
        self._reported: BaseException | None = None

    async def publish(self, data: EventData, occurrence: str = "") -> Position:
        """As `Outlet.publish`, in the attempt's trace."""
        return await self.outlet.publish(data, occurrence=occurrence, traceparent=self._traceparent)

    async def report_failure(self, error: BaseException | None, step: str | None) -> None:
        """Publish what the error means for the file, if anything, and only once for each error.

        A failure that cannot be published becomes a note on the error, which it must not hide.
        """
        failure = None if error is self._reported else failure_of(error)
        if error is None or failure is None:
            return
        self._reported = error
        try:
            await self.publish(
                ProcessingFailed(
                    **self.ids,
                    code=failure.code,
                    message=failure.message,
                    retryable=failure.retryable,
                    step=failure.step or step,
                )
            )
        except (PublishError, InvalidRecordError) as unpublished:
            error.add_note(f"processing.failed was not published: {unpublished}")
