"""The command `milepost follow`."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from milepost.command_target import CommandSettings, find_kafka
from milepost.printable import one_line
from milepost.subscription import Change, DeletedFile, FileDocument, Subscription, subscribe

_INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C ended before its end."""

_STYLES = {"processing": "cyan", "completed": "green", "failed": "red", "deleted": "magenta"}


def follow(
    *,
    store: Annotated[str | None, typer.Option(help="Only files of this store.")] = None,
    file: Annotated[str | None, typer.Option(help="Only files with this id.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when every file was printed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of a running local stack.")
    ] = Path(".milepost"),
) -> None:
    """Print what every file is, then a line for each change, until Ctrl-C."""
    changes = subscribe(find_kafka(data), topic=CommandSettings().status_topic, live=not once)
    console = Console()

    def show(change: Change) -> None:
        document = change.document
        if store in (None, document.store_id) and file in (None, document.file_id):
            if as_json:
                _print_json(change)
            else:
                _print_line(console, change)

    try:
        asyncio.run(_tell(changes, show))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED if once else 0) from None


async def _tell(changes: Subscription, show: Callable[[Change], None]) -> None:
    async with aclosing(aiter(changes)) as told:
        async for change in told:
            show(change)


def _print_json(change: Change) -> None:
    line = {
        "generation": change.generation,
        "revision": change.revision,
        "partition": change.position.partition,
        "offset": change.position.offset,
        "document": change.document,
    }
    typer.echo(msgspec.json.encode(line))


def _print_line(console: Console, change: Change) -> None:
    match change.document:
        case DeletedFile() as marker:
            moment, status, rest = marker.deleted_at, "deleted", ""
        case FileDocument() as document:
            moment, status, rest = document.updated_at, document.status, _whereabouts(document)
    line = Text(f"{moment:%Y-%m-%dT%H:%M:%SZ}  {change.key}  ")
    line.append(f"{change.generation}.{change.revision}  ", "dim")
    line.append(f"{status:<10}", _STYLES.get(status, ""))
    line.append(rest)
    line.rstrip()
    console.print(line, soft_wrap=True)


def _whereabouts(document: FileDocument) -> str:
    """The percentage, and the step or what went wrong."""
    detail = document.error.message if document.error else document.current_step or ""
    stalled = "  stalled" if document.stalled_since else ""
    return f"  {document.progress_percent:>3} %  {one_line(detail)}{stalled}"
