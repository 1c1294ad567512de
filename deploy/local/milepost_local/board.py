"""What the user sees of the files on their way: a live table, or plain lines."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from milepost_schemas.http import ProcessingStatus


@dataclass
class FollowedFile:
    """A file that was taken in, with the newest status that is known of it."""

    name: str
    file_id: str
    status: ProcessingStatus | None = None
    is_deleted: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.is_deleted or (self.status is not None and self.status.is_terminal)


@contextmanager
def board(console: Console, files: Sequence[FollowedFile]) -> Iterator[Callable[[], None]]:
    """Shows the files until it is left; call what it yields after a change.

    On a terminal that is a table which is drawn anew, elsewhere a line for each change of a
    file's status or step.
    """
    if console.is_terminal:
        with Live(table(files), console=console, auto_refresh=False) as live:
            yield lambda: live.update(table(files), refresh=True)
        return
    shown: dict[str, tuple[str, str | None]] = {}

    def print_changes() -> None:
        for file in files:
            status = file.status
            if status and shown.get(file.file_id) != (status.status, status.current_step):
                shown[file.file_id] = (status.status, status.current_step)
                print_line(console, file)

    yield print_changes


def table(files: Sequence[FollowedFile]) -> Table:
    """A row for each file: name, step, percentage, result."""
    rows = Table(box=None, pad_edge=False, expand=False)
    rows.add_column("File", overflow="ellipsis", no_wrap=True, max_width=32)
    rows.add_column("Step", no_wrap=True, min_width=10)
    rows.add_column("Progress", no_wrap=True, width=20)
    rows.add_column("", justify="right", no_wrap=True, width=5)
    rows.add_column("Result", overflow="fold")
    for file in files:
        percent = file.status.progress_percent if file.status else 0
        step = (file.status.current_step if file.status else "queued") or ""
        bar = ProgressBar(total=100, completed=percent, width=20)
        rows.add_row(Text(file.name), Text(step), bar, f"{percent} %", _result(file))
    return rows


def print_line(console: Console, file: FollowedFile) -> None:
    """Prints where a file stands on one line, however long it gets."""
    status = file.status
    if file.is_deleted:
        line = f"{file.name}: deleted"
    elif status is None:
        line = f"{file.name}: unknown"
    else:
        rest = status.error_message or status.current_step or ""
        line = f"{file.name}: {status.status} {status.progress_percent} % {rest}".rstrip()
    say(console, line)


def say(console: Console, line: str) -> None:
    """Prints a line as it is: nothing in it is markup, and it is not broken to fit."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _result(file: FollowedFile) -> Text:
    if file.is_deleted:
        return Text("deleted", style="yellow")
    if file.status is None or not file.status.is_terminal:
        return Text("")
    if file.status.status == "completed":
        return Text("completed", style="green")
    return Text(f"failed: {file.status.error_message}", style="red")
