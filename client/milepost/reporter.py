"""Reporting what happens to files, for stages written with asyncio."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from milepost.attempt import Attempt, AttemptIds
from milepost.connection import KafkaSettings
from milepost.errors import EventsLostError
from milepost.file_report import AsyncFileReport
from milepost.outlet import Cadence, EventPublisher, Outlet
from milepost.publisher import Publisher
from milepost_schemas.topics import EVENTS

_DEFAULT_CADENCE = Cadence()


class AsyncReporter:
    """Publishes events about files.

    What a method has published is acknowledged by the brokers when it returns. Calling it again
    publishes the same event id again, which changes nothing.

    Args:
        publisher: The brokers, for a publisher of the reporter's own; or a publisher that somebody
            else opens and closes.
        source: Who reports, as CloudEvents `source`: a name or URI, the same after a restart.
        topic: The log.
        cadence: How often open steps publish, and how long publishing may take.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        publisher: KafkaSettings | EventPublisher,
        *,
        source: str,
        topic: str = EVENTS.name,
        cadence: Cadence = _DEFAULT_CADENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not source:
            raise ValueError("source is empty: it must say who reports")
        self._own_publisher: Publisher | None = None
        if isinstance(publisher, KafkaSettings):
            publisher = self._own_publisher = Publisher(publisher, deadline_s=cadence.deadline_s)
        self._outlet = Outlet(publisher, source, topic, cadence, clock)

    async def __aenter__(self) -> Self:
        if self._own_publisher is not None:
            await self._own_publisher.__aenter__()
        return self

    async def __aexit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publish the last progress of steps that are still open, and wait for every event.

        Raises:
            EventsLostError: an event was not acknowledged by its deadline. While another error
                leaves the block, it becomes a note on that one.
        """
        steps = tuple(self._outlet.open_steps)
        lost = [step.name for step in steps if not await step.leave_open()]
        if self._own_publisher is not None:
            await self._own_publisher.__aexit__(type_, error, traceback)
        if lost and error is None:
            raise EventsLostError(len(lost))
        if lost and error is not None:
            error.add_note(str(EventsLostError(len(lost))))

    def file(
        self,
        *,
        organization_id: str,
        store_id: str,
        file_id: str,
        attempt: int = 1,
        traceparent: str | None = None,
    ) -> AsyncFileReport:
        """The report about one attempt at a file; nothing is published yet.

        Args:
            organization_id: The organization that owns the store.
            store_id: The store that the file belongs to.
            file_id: The file, unique within its store.
            attempt: Which processing of the file it is, from 1.
            traceparent: W3C trace context that the events carry.
        """
        ids = AttemptIds(
            organization_id=organization_id, store_id=store_id, file_id=file_id, attempt=attempt
        )
        return AsyncFileReport(Attempt(self._outlet, ids, traceparent))
