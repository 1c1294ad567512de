"""The commands `milepost dead-letters` and `milepost dead-letters redrive`."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from milepost.command_target import CommandSettings, find_kafka
from milepost.connection import KafkaSettings
from milepost.dead_letter_groups import DeadLetterGroup, grouped
from milepost.dead_letters import DeadLetter, DeadLetterReader, Selection, send_back
from milepost.errors import PublishError
from milepost.printable import one_line
from milepost.publisher import Publisher
from milepost_schemas.times import parse_time_ms
from milepost_schemas.topics import MAX_DEAD_LETTER_BYTES

DATA: Final = Path(".milepost")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

app = typer.Typer(invoke_without_command=True)


def _since(text: str) -> int:
    """Milliseconds since 1970 of a time, or of so long ago."""
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago is not None:
        return time.time_ns() // 1_000_000 - int(ago[1]) * _UNITS_MS[ago[2]]
    try:
        return parse_time_ms(text)
    except ValueError as error:
        raise typer.BadParameter("neither an RFC 3339 time nor such as 90s, 15m, 2h, 3d") from error


Reason = Annotated[str | None, typer.Option(help="Only with this reason.")]
Source = Annotated[str | None, typer.Option(help="Only from this ce_source.")]
Since = Annotated[
    int | None,
    typer.Option(parser=_since, metavar="TIME", help="Only since a time, or for 15m, 2h, 3d."),
]
Data = Annotated[Path, typer.Option(metavar="DIR", help="Folder of a running local stack.")]


@app.callback()
def show(  # noqa: PLR0913  each option is an argument
    context: typer.Context,
    *,
    reason: Reason = None,
    source: Source = None,
    since: Since = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    data: Data = DATA,
) -> None:
    """List dead letters by reason and source; `redrive` sends them back."""
    selection = Selection(reason, source, since)
    if context.invoked_subcommand is not None:
        if selection != Selection():
            raise typer.BadParameter(f"write it behind `{context.invoked_subcommand}`")
        return
    groups = asyncio.run(_count(find_kafka(data), selection))
    if as_json:
        typer.echo(msgspec.json.encode(groups))
    elif groups:
        Console().print(_table(groups))
    else:
        Console(stderr=True).print("No dead letters.")


@app.command()
def redrive(
    *,
    reason: Reason = None,
    source: Source = None,
    since: Since = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send; otherwise only say what would be sent.")
    ] = False,
    data: Data = DATA,
) -> None:
    """Publish the records of dead letters again, where they came from, after a fix.

    Key, value and headers are the original ones, and the partition is the key's. Sending twice is
    harmless. What still cannot be applied becomes a dead letter again.
    """
    kafka, selection = find_kafka(data), Selection(reason, source, since)
    asyncio.run(_redrive(kafka, selection, send=send))


async def _count(kafka: KafkaSettings, selection: Selection) -> Sequence[DeadLetterGroup]:
    async with DeadLetterReader(kafka, CommandSettings().dead_letter_topic) as reader:
        groups = await grouped(reader.read(selection))
        _say_unreadable(reader)
        return groups


async def _redrive(kafka: KafkaSettings, selection: Selection, *, send: bool) -> None:
    async with DeadLetterReader(kafka, CommandSettings().dead_letter_topic) as reader:
        groups = await grouped(reader.read(selection))
        _say_unreadable(reader)
        if groups:
            Console().print(_table(groups))
        sendable = sum(group.sendable for group in groups)
        _say_by_reference(groups)
        if send:
            sent = await _send(kafka, reader.read(selection), sendable)
            typer.echo(f"{sent} of {sendable} sent.")
        else:
            typer.echo(f"{sendable} would be sent; add --send to do so.")


async def _send(kafka: KafkaSettings, letters: AsyncIterator[DeadLetter], total: int) -> int:
    """Send with a progress bar; how many were acknowledged."""
    sent = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Sending", total=total)
        async with Publisher(kafka, max_record_bytes=MAX_DEAD_LETTER_BYTES) as publisher:
            try:
                async for acknowledged in send_back(letters, publisher):
                    sent += acknowledged
                    progress.update(bar, completed=sent)
            except PublishError:
                typer.echo(f"{sent} of {total} sent, then:", err=True)
                raise
    return sent


def _say_unreadable(reader: DeadLetterReader) -> None:
    if reader.unreadable:
        typer.echo(f"{reader.unreadable} record(s) in the topic are no dead letters.", err=True)


def _say_by_reference(groups: Sequence[DeadLetterGroup]) -> None:
    count = sum(group.by_reference for group in groups)
    if count:
        typer.echo(
            f"{count} cannot be sent: the value was too large for the dead-letter topic, which "
            "keeps its size and digest only. The record itself stands in the log.",
            err=True,
        )


def _table(groups: Sequence[DeadLetterGroup]) -> Table:
    table = Table("Reason", "Source", box=None, pad_edge=False)
    table.add_column("Count", justify="right")
    for column in ("Newest", "Stands at", "Detail"):
        table.add_column(column, overflow="fold")
    for group in groups:
        example = group.example
        table.add_row(
            Text(one_line(group.reason)),
            Text(one_line(group.source), overflow="fold"),
            str(group.count),
            example.failed_at,
            f"{one_line(example.topic)} {example.partition} {example.offset}",
            Text(one_line(example.detail)),
        )
    return table
