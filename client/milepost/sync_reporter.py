"""Reporting what happens to files, for stages that are plain functions."""

import atexit
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from milepost.connection import KafkaSettings
from milepost.errors import EventsLostError, NotOpenError
from milepost.file_report import AsyncFileReport
from milepost.outbox import Position
from milepost.outlet import Cadence, EventPublisher
from milepost.reporter import AsyncReporter
from milepost.reporter_thread import ReporterThread
from milepost.step import AsyncStep
from milepost_schemas.events import LogLevel, Scalar
from milepost_schemas.topics import EVENTS

_DEFAULT_CADENCE = Cadence()


class Step:
    """As `AsyncStep`; signs of life come from another thread, whatever the step's code is at."""

    def __init__(self, thread: ReporterThread, step: AsyncStep) -> None:
        self._thread = thread
        self._step = step

    @property
    def output(self) -> dict[str, Scalar]:
        """Small facts about the step's durable output, to be filled before the block ends."""
        return self._step.output

    def __enter__(self) -> Self:
        self._thread.call(self._step.__aenter__())
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.leave(self._step.__aexit__(type_, error, traceback), error)

    def advance(self, units: float = 1, *, message: str | None = None) -> None:
        """As `AsyncStep.advance`."""
        self._check_running()
        self._step.advance(units, message=message)

    def update(
        self,
        *,
        done_units: float | None = None,
        total_units: float | None = None,
        progress_percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """As `AsyncStep.update`."""
        self._check_running()
        self._step.update(
            done_units=done_units,
            total_units=total_units,
            progress_percent=progress_percent,
            message=message,
        )

    def _check_running(self) -> None:
        if not self._thread.is_running:
            raise NotOpenError("the step's reporter is not open in this process")


class FileReport:
    """As `AsyncFileReport`; every method returns when its event is acknowledged."""

    def __init__(self, thread: ReporterThread, report: AsyncFileReport) -> None:
        self._thread = thread
        self._report = report

    def __enter__(self) -> Self:
        self._thread.call(self._report.__aenter__())
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.leave(self._report.__aexit__(type_, error, traceback), error)

    def step(
        self,
        name: str,
        *,
        total_units: float | None = None,
        plan: Mapping[str, int] | None = None,
        max_silence_s: float | None = None,
    ) -> Step:
        """As `AsyncFileReport.step`."""
        step = self._report.step(
            name, total_units=total_units, plan=plan, max_silence_s=max_silence_s
        )
        return Step(self._thread, step)

    def registered(
        self,
        *,
        name: str,
        size_bytes: int,
        mime_type: str,
        relative_path: str | None = None,
        content_uri: str | None = None,
    ) -> Position:
        """As `AsyncFileReport.registered`."""
        return self._thread.call(
            self._report.registered(
                name=name,
                size_bytes=size_bytes,
                mime_type=mime_type,
                relative_path=relative_path,
                content_uri=content_uri,
            )
        )

    def requested(self, *, reason: str, requested_by: str | None = None) -> Position:
        """As `AsyncFileReport.requested`."""
        return self._thread.call(self._report.requested(reason=reason, requested_by=requested_by))

    def log(self, level: LogLevel, message: str) -> Position:
        """As `AsyncFileReport.log`."""
        return self._thread.call(self._report.log(level, message))

    def completed(self, *, chunk_count: int | None = None) -> Position:
        """As `AsyncFileReport.completed`."""
        return self._thread.call(self._report.completed(chunk_count=chunk_count))

    def failed(
        self, code: str, message: str, *, retryable: bool = False, step: str | None = None
    ) -> Position:
        """As `AsyncFileReport.failed`."""
        return self._thread.call(self._report.failed(code, message, retryable=retryable, step=step))

    def deleted(self, *, requested_by: str | None = None) -> Position:
        """As `AsyncFileReport.deleted`."""
        return self._thread.call(self._report.deleted(requested_by=requested_by))


class Reporter:
    """As `AsyncReporter`, with an event loop on a thread of its own.

    A context manager, or opened with `open` and closed with `close`; what was not closed is closed
    when the program exits. It can be used from any thread of the process that opened it, but not
    in a forked child.
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
        self._reporter = AsyncReporter(
            publisher, source=source, topic=topic, cadence=cadence, clock=clock
        )
        self._thread = ReporterThread(self._reporter)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """As `close`; while another error leaves the block, a loss becomes a note on that one."""
        try:
            self.close()
        except EventsLostError as loss:
            if error is None:
                raise
            error.add_note(str(loss))

    def open(self) -> Self:
        """Start the thread; the brokers need not be reachable yet."""
        self._thread.start()
        atexit.register(self._close_at_exit)
        return self

    def close(self) -> None:
        """Wait until everything is acknowledged and end the thread; closing twice is harmless.

        Raises:
            EventsLostError: an event was not acknowledged by its deadline.
        """
        atexit.unregister(self._close_at_exit)
        self._thread.stop()

    def file(
        self,
        *,
        organization_id: str,
        store_id: str,
        file_id: str,
        attempt: int = 1,
        traceparent: str | None = None,
    ) -> FileReport:
        """As `AsyncReporter.file`."""
        report = self._reporter.file(
            organization_id=organization_id,
            store_id=store_id,
            file_id=file_id,
            attempt=attempt,
            traceparent=traceparent,
        )
        return FileReport(self._thread, report)

    def _close_at_exit(self) -> None:
        if self._thread.is_running:
            self._thread.stop()
