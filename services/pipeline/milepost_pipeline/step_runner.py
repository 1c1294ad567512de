"""Brings one file one step further, and tells the log: patiently, and never twice the same work."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import structlog

from milepost.errors import ProcessingError, PublishError
from milepost.event_ids import event_id
from milepost.failure import failure_of
from milepost.file_report import AsyncFileReport
from milepost.outlet import EventPublisher
from milepost.reporter import AsyncReporter
from milepost_pipeline.content import FileRef
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import ObjectStore, StorageUnavailableError
from milepost_pipeline.outputs import Facts, StepRef, find_manifest, write_manifest
from milepost_pipeline.overtaking import OvertakenError
from milepost_pipeline.steps.step import PLAN, Step
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, EventData, StepCompleted

SOURCE = "milepost.pipeline"

_FIRST_DELAY_S = 0.25
_LONGEST_DELAY_S = 15.0

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Surroundings:
    """What the runners of all steps share."""

    objects: ObjectStore
    publisher: EventPublisher
    topic: str
    storage_patience_s: float

    def reporter(self) -> AsyncReporter:
        """Return a reporter on the shared publisher."""
        return AsyncReporter(self.publisher, source=SOURCE, topic=self.topic)


class StepRunner:
    """Runs one step. Trouble with Kafka or storage is waited out; only the file's own is a failure.

    When a method returns, everything that it had to say is acknowledged. A cancelled call has said
    nothing wrong, and may simply be repeated.
    """

    def __init__(self, step: Step, surroundings: Surroundings) -> None:
        self.step = step
        self._objects = surroundings.objects
        self._publisher = surroundings.publisher
        self._topic = surroundings.topic
        self._storage_patience_s = surroundings.storage_patience_s
        self._reporter = surroundings.reporter()

    async def perform(
        self, file: FileRef, data: EventData, goes_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Do what the event asks for, unless it was done before; then only say so again.

        `goes_on` is asked once what the event says is kept, which a later attempt may need.
        """
        ref = StepRef(file, data.attempt, self.step.name)
        for delay_s in _delays():
            try:
                await self._perform(ref, data, goes_on)
            except OvertakenError:
                return
            except PublishError as error:
                _log.warning("publish_failed", file=file.folder, error=str(error))
            else:
                return
            await asyncio.sleep(delay_s)

    async def forget(self, file: FileRef) -> None:
        """Remove what the step left of a deleted file."""
        for delay_s in _delays():
            try:
                await self.step.forget(file)
            except StorageUnavailableError as error:
                _log.warning("storage_unavailable", file=file.folder, error=str(error))
            else:
                return
            await asyncio.sleep(delay_s)

    async def _perform(self, ref: StepRef, data: EventData, goes_on: Callable[[], bool]) -> None:
        report = self._reporter.file(
            organization_id=ref.file.organization_id,
            store_id=ref.file.store_id,
            file_id=ref.file.file_id,
            attempt=ref.attempt,
        )
        try:
            async with report:
                deadline = time.monotonic() + self._storage_patience_s
                is_ours = await self._patiently(lambda: self.step.take_up(ref, data), deadline)
                if is_ours and goes_on():
                    facts = await self._complete(ref, report, deadline)
                    await self.step.finish(report, facts)
        except ProcessingError as error:
            _log.info("file_failed", file=ref.folder, code=error.code)
            await self._publish_unpublished(report, error)

    async def _complete(self, ref: StepRef, report: AsyncFileReport, deadline: float) -> Facts:
        """Publish the step's completion, the work done now or before; return its facts."""
        facts = await self._patiently(lambda: find_manifest(self._objects, ref), deadline)
        if facts is not None:
            await self._publish_again(ref, facts)
            return facts
        async with report.step(ref.step, plan=PLAN) as open_step:
            found = await self._patiently(lambda: self.step.run(ref, open_step), deadline)
            complete = {**found, "output_uri": ref.uri(self._objects)}
            await self._patiently(lambda: write_manifest(self._objects, ref, complete), deadline)
            open_step.output.update(complete)
        return complete

    async def _patiently(self, ask: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Ask the storage until it answers or the file has waited long enough."""
        for delay_s in _delays():
            try:
                return await ask()
            except StorageUnavailableError as error:
                _log.warning("storage_unavailable", error=str(error))
                if time.monotonic() + delay_s > deadline:
                    raise failure("storage_unavailable") from error
            await asyncio.sleep(delay_s)
        raise AssertionError("delays never end")

    async def _publish_again(self, ref: StepRef, facts: Facts) -> None:
        """Publish the very `step.completed` that was, or may have been, published before."""
        data = StepCompleted(
            organization_id=ref.file.organization_id,
            store_id=ref.file.store_id,
            file_id=ref.file.file_id,
            attempt=ref.attempt,
            step=ref.step,
            output=facts,
        )
        event = Event(event_id(data), SOURCE, time.time_ns() // 1_000_000, data)
        await self._publisher.publish(encode(event), self._topic)

    async def _publish_unpublished(self, report: AsyncFileReport, error: ProcessingError) -> None:
        # A failure that the report could not publish is a note on the error.
        told = failure_of(error)
        if told is not None and getattr(error, "__notes__", None):
            await report.failed(
                told.code, told.message, retryable=told.retryable, step=self.step.name
            )


def _delays() -> Iterator[float]:
    delay_s = _FIRST_DELAY_S
    while True:
        yield delay_s
        delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
