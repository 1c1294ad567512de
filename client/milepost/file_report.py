"""The report about one attempt at one file."""

from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from milepost.attempt import Attempt, AttemptIds
from milepost.outbox import Position
from milepost.step import AsyncStep
from milepost_schemas.events import (
    FileDeleted,
    FileRegistered,
    LogLevel,
    LogRecorded,
    PlannedStep,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepStarted,
)

_MAX_TEXT = 2_000


class AsyncFileReport:
    """What is reported about one attempt at one file.

    As a context manager it publishes `processing.failed` when an exception leaves the block, and
    lets the exception go on. `ProcessingError` says what the file's owner reads; of any other
    only that something unexpected went wrong. `NotNowError`, errors of publishing, cancellation
    and the end of the process are no failures of the file.

    The methods that publish raise `PublishError` when the event was not acknowledged, and
    `milepost_schemas.codec.InvalidRecordError` when the contract does not allow it.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._lines: Counter[tuple[str | None, LogLevel, str]] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._attempt.report_failure(error, None)

    def step(
        self,
        name: str,
        *,
        total_units: float | None = None,
        plan: Mapping[str, int] | None = None,
        max_silence_s: float | None = None,
    ) -> AsyncStep:
        """A step of the attempt, to be entered as a context manager.

        Args:
            name: The step's name, at most 64 characters.
            total_units: How many units it will do, if that is known already.
            plan: All steps of the attempt with their weights, in order; an attempt keeps the
                first plan that it is told.
            max_silence_s: Longest time in seconds that the step may give no sign of life.
        """
        planned = [PlannedStep(step=step, weight=weight) for step, weight in (plan or {}).items()]
        return AsyncStep(
            self._attempt,
            StepStarted(
                **self._attempt.ids,
                step=name,
                plan=tuple(planned) or None,
                total_units=total_units,
                max_silence_s=max_silence_s,
            ),
        )

    async def registered(
        self,
        *,
        name: str,
        size_bytes: int,
        mime_type: str,
        relative_path: str | None = None,
        content_uri: str | None = None,
    ) -> Position:
        """Publish that the file exists; this also asks for its first attempt.

        Args:
            name: The file's name as its owner knows it, at most 255 characters.
            size_bytes: Size of the content.
            mime_type: Media type of the content.
            relative_path: Path of the file below the folder it was uploaded from.
            content_uri: Where a stage can read the content.
        """
        return await self._attempt.publish(
            FileRegistered(
                **self._attempt.ids,
                name=name,
                size_bytes=size_bytes,
                mime_type=mime_type,
                relative_path=relative_path,
                content_uri=content_uri,
            )
        )

    async def requested(self, *, reason: str, requested_by: str | None = None) -> Position:
        """Publish that the next attempt is to be made, the one after this report's."""
        ids = self._attempt.ids
        following = AttemptIds(
            organization_id=ids["organization_id"],
            store_id=ids["store_id"],
            file_id=ids["file_id"],
            attempt=ids["attempt"] + 1,
        )
        return await self._attempt.publish(
            ProcessingRequested(**following, reason=reason, requested_by=requested_by)
        )

    async def log(self, level: LogLevel, message: str) -> Position:
        """Publish a line of the file's processing log; cut after 2,000 characters.

        Equal lines are different lines; those of a repeated run are the same as before.
        """
        step = self._attempt.open_step
        self._lines[step, level, message] += 1
        return await self._attempt.publish(
            LogRecorded(**self._attempt.ids, level=level, message=message[:_MAX_TEXT]),
            occurrence=f"{step}#{self._lines[step, level, message]}",
        )

    async def completed(self, *, chunk_count: int | None = None) -> Position:
        """Publish that the last durable write of the attempt is done."""
        return await self._attempt.publish(
            ProcessingCompleted(**self._attempt.ids, chunk_count=chunk_count)
        )

    async def failed(
        self, code: str, message: str, *, retryable: bool = False, step: str | None = None
    ) -> Position:
        """Publish that the attempt ended without a result.

        Args:
            code: What went wrong, for programs, at most 64 characters.
            message: What went wrong and what to do, in one sentence for the file's owner.
            retryable: Whether another attempt may succeed without a change to the file.
            step: The step that failed.
        """
        return await self._attempt.publish(
            ProcessingFailed(
                **self._attempt.ids, code=code, message=message, retryable=retryable, step=step
            )
        )

    async def deleted(self, *, requested_by: str | None = None) -> Position:
        """Publish that the file left the store, for good."""
        return await self._attempt.publish(
            FileDeleted(**self._attempt.ids, requested_by=requested_by)
        )
