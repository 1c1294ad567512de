"""A file's history for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from milepost_auditor.history import History, HistoryEvent


def print_history(history: History, console: Console) -> None:
    """A row for each event."""
    if not history.events:
        console.print(Text(f"The log has no event of {history.file}."))
        return
    table = Table(
        "Offset", "Appended", "Said", "Type", "Source", "Became", box=None, pad_edge=False
    )
    table.add_column("What it changed, or why it did not", ratio=1)
    for event in history.events:
        table.add_row(
            str(event.offset),
            event.appended_at,
            event.time or "–",  # noqa: RUF001  a dash for nothing
            Text((event.type or "–").removeprefix("milepost.").removesuffix(".v1")),  # noqa: RUF001
            Text(event.source or "–"),  # noqa: RUF001
            event.became.replace("_", " "),
            Text(_told(event), overflow="fold"),
        )
    console.print(table)


def _told(event: HistoryEvent) -> str:
    if event.became == "applied" and event.changes:
        return ", ".join(
            f"{name} {_shown(before)} → {_shown(after)}"
            for name, (before, after) in event.changes.items()
        )
    because = event.outcome.replace("_", " ")
    return because if event.detail is None else f"{because}: {event.detail}"


def _shown(value: object) -> str:
    return "–" if value is None else str(value)  # noqa: RUF001
