"""Shows how far a rebuild is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

LINE_INTERVAL_S: Final = 5.0
"""Between two plain lines about the same work."""


def pace(done: int, seconds: float) -> str:
    """Records per second, in words."""
    return f"{done / seconds:,.0f}/s" if seconds > 0 else ""


class Bar:
    """A bar with records, rate and remaining time; a context manager."""

    def __init__(self, console: Console, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock_s = clock_s
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._first: int | None = None
        self._began_s = 0.0

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int | None) -> None:
        """Show new work; without a total, only how much is done."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total, pace="")
        self._first, self._began_s = None, self._clock_s()

    def reach(self, done: int) -> None:
        if self._task is None:
            return
        # What was there already says nothing about the rate.
        first = self._first = done if self._first is None else self._first
        shown = pace(done - first, self._clock_s() - self._began_s)
        self._progress.update(self._task, completed=done, pace=shown)

    def say(self, what: str) -> None:
        self._console.print(what, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """The same in lines, of which there are not many; a context manager."""

    def __init__(self, console: Console, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock_s = clock_s
        self._what = ""
        self._total: int | None = None
        self._first: int | None = None
        self._began_s = self._said_s = 0.0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, what: str, total: int | None) -> None:
        self._what, self._total, self._first = what, total, None
        self._began_s = self._said_s = self._clock_s()

    def reach(self, done: int) -> None:
        """Say how far it is, if it has not been said lately."""
        first = self._first = done if self._first is None else self._first
        now_s = self._clock_s()
        if now_s - self._said_s < LINE_INTERVAL_S:
            return
        self._said_s = now_s
        passed_s = now_s - self._began_s
        words = [f"{self._what}: {done:,}"]
        if self._total is not None:
            words[0] += f" of {self._total:,}"
        words.append(pace(done - first, passed_s))
        if self._total is not None and done > first:
            left_s = (self._total - done) * passed_s / (done - first)
            words.append(f"{left_s:,.0f} s left")
        self.say(", ".join(words))

    def say(self, what: str) -> None:
        self._console.print(what, markup=False, highlight=False, soft_wrap=True)
