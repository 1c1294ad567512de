"""Shows where the watched files stand: a table that changes, or a line for each change."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from milepost.named_files import NamedFile
from milepost.status_lines import STYLES, detail, print_status
from milepost_schemas.http import ProcessingStatus


class WatchBoard:
    """What is known of the watched files."""

    def __init__(self, files: Sequence[NamedFile], *, as_json: bool, live: Live | None) -> None:
        self._statuses: dict[NamedFile, ProcessingStatus | None] = dict.fromkeys(files)
        self._as_json = as_json
        self._live = live

    @classmethod
    @contextmanager
    def shown(cls, files: Sequence[NamedFile], *, as_json: bool) -> Iterator[Self]:
        """A board that is on the screen; its last state stays there."""
        console = Console()
        if as_json or not console.is_terminal:
            yield cls(files, as_json=as_json, live=None)
            return
        to_terminal = sys.stderr.isatty()
        with Live(console=console, auto_refresh=False, redirect_stderr=to_terminal) as live:
            yield cls(files, as_json=False, live=live)

    def show(self, file: NamedFile, status: ProcessingStatus) -> None:
        """Take in a change."""
        self._statuses[file] = status
        if self._live is None:
            print_status(file, status, as_json=self._as_json)
        else:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for file, status in self._statuses.items():
            if status is None:
                table.add_row(Text(file.key))
                continue
            style, percent = STYLES[status.status], status.progress_percent
            table.add_row(
                Text(file.key, overflow="fold"),
                Text(status.status, style),
                ProgressBar(
                    completed=percent, width=20, complete_style=style, finished_style=style
                ),
                f"{percent:>3} %",
                Text(detail(status)),
            )
        return table
