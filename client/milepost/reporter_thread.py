"""The thread on which a synchronous reporter's event loop runs."""

import asyncio
import os
from collections.abc import Coroutine
from threading import Event, Thread
from typing import Any, TypeVar

from milepost.errors import EventsLostError, NotOpenError
from milepost.reporter import AsyncReporter

T = TypeVar("T")


class ReporterThread:
    """Runs an `AsyncReporter` beside the code that reports through it.

    It is a daemon thread, so that a program that forgot to close it still reaches its exit
    handlers, and it belongs to the process that started it: a forked child is told so.
    """

    def __init__(self, reporter: AsyncReporter) -> None:
        self._reporter = reporter
        self._pid = os.getpid()
        self._thread = Thread(target=self._run, name="milepost-reporter", daemon=True)
        self._is_open = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._loss: EventsLostError | None = None

    @property
    def is_running(self) -> bool:
        return self._is_open.is_set() and self._pid == os.getpid()

    def start(self) -> None:
        """Return once the reporter is open."""
        self._thread.start()
        self._is_open.wait()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the reporter to its end.

        Raises:
            NotOpenError: the reporter is not open in this process.
        """
        if self._loop is None or not self.is_running:
            coroutine.close()
            raise NotOpenError("the reporter is not open in this process; open one after each fork")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def leave(self, exit_: Coroutine[Any, Any, None], error: BaseException | None) -> None:
        """Run the end of a block; that there is no reporter never hides the block's own error."""
        try:
            self.call(exit_)
        except NotOpenError as closed:
            if error is None:
                raise
            error.add_note(str(closed))

    def stop(self) -> None:
        """Close the reporter and end the thread.

        Raises:
            EventsLostError: what `AsyncReporter` raised at its end.
        """
        if self._loop is not None and self.is_running:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        if self._loss is not None:
            raise self._loss

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except EventsLostError as error:
            self._loss = error
        finally:
            self._is_open.clear()

    async def _serve(self) -> None:
        async with self._reporter:
            self._loop = asyncio.get_running_loop()
            self._is_open.set()
            await self._closing.wait()
