"""One step of an attempt: progress when there is some, signs of life in any case."""

import asyncio
from types import TracebackType
from typing import Self

from milepost.attempt import Attempt
from milepost.errors import PublishError
from milepost.step_progress import Reading, StepProgress
from milepost_schemas.events import Scalar, StepCompleted, StepProgressed, StepStarted

_MAX_TEXT = 2_000


class AsyncStep:
    """A step that is open while its block runs.

    Entering publishes `step.started`. While it is open, a task publishes progress and signs of
    life; the code of the step must leave the event loop time for it. A normal end publishes the
    last progress and then `step.completed`, with what `output` holds by then. An exception
    becomes `processing.failed` and goes on.
    """

    output: dict[str, Scalar]
    """Small facts about the step's durable output, such as counts and URIs."""

    def __init__(self, attempt: Attempt, started: StepStarted) -> None:
        self.output = {}
        self.name = started.step
        self._attempt = attempt
        self._started = started
        self._progress = StepProgress(started.total_units)
        self._published_version = 0
        self._events = 0
        self._following: asyncio.Task[None] | None = None

    def advance(self, units: float = 1, *, message: str | None = None) -> None:
        """Say that further units are done; returns at once, publishes later."""
        self._progress.advance(units, message)

    def update(
        self,
        *,
        done_units: float | None = None,
        total_units: float | None = None,
        progress_percent: float | None = None,
        message: str | None = None,
    ) -> None:
        """Say where the step is; returns at once, publishes later.

        Args:
            done_units: Units done so far, in all.
            total_units: Units that there are to do.
            progress_percent: Progress of the whole file, where no plan tells it.
            message: What the step is doing, for the history; cut after 2,000 characters.
        """
        self._progress.update(Reading(0, done_units, total_units, progress_percent, message))

    async def __aenter__(self) -> Self:
        await self._attempt.publish(self._started)
        self._attempt.outlet.open_steps.add(self)
        self._attempt.open_step = self.name
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._stop_following()
        if error is not None:
            await self._attempt.report_failure(error, self.name)
            return
        await self._publish_news()
        await self._attempt.publish(
            StepCompleted(**self._attempt.ids, step=self.name, output=self.output or None)
        )

    async def leave_open(self) -> bool:
        """Publish the last progress of a step whose block never ended; False if that is lost."""
        await self._stop_following()
        try:
            await self._publish_news()
        except PublishError:
            return False
        return True

    async def _stop_following(self) -> None:
        self._attempt.outlet.open_steps.discard(self)
        self._attempt.open_step = None
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
            if not self._following.cancelled():
                self._following.result()

    async def _follow(self) -> None:
        """Publish news, and signs of life before the silence gets too long."""
        clock = asyncio.get_running_loop().time
        cadence = self._attempt.outlet.cadence
        heard_at = clock()
        while True:
            await asyncio.sleep(cadence.progress_s)
            silence_s = clock() - heard_at
            has_news = self._progress.reading.version > self._published_version
            if has_news or silence_s + cadence.progress_s > cadence.sign_of_life_s:
                heard_at = clock()
                await self._publish_quietly()

    async def _publish_quietly(self) -> None:
        """Publish a reading; one that gets lost is made up for by the next one."""
        try:
            await self._publish_reading()
        except PublishError:
            return

    async def _publish_news(self) -> None:
        if self._progress.reading.version > self._published_version:
            await self._publish_reading()

    async def _publish_reading(self) -> None:
        reading = self._progress.reading
        self._events += 1
        await self._attempt.publish(
            StepProgressed(
                **self._attempt.ids,
                step=self.name,
                done_units=reading.done_units,
                total_units=reading.total_units,
                progress_percent=None
                if reading.progress_percent is None
                else min(reading.progress_percent, 100),
                message=reading.message and reading.message[:_MAX_TEXT],
            ),
            occurrence=str(self._events),
        )
        self._published_version = reading.version
