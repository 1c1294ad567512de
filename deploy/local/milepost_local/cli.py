"""The command `milepost up`."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from milepost.errors import MilepostError
from milepost_local.data_directory import DataDirectory
from milepost_local.errors import LocalStackError
from milepost_local.inputs import NoSuchFileError, chosen_files, sample_files
from milepost_local.settings import LocalSettings

_WRONG_USAGE = 2
_INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C ended before its end."""


def up(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Files and folders; without any, samples."),
    ] = None,
    *,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is kept.")] = Path(
        ".milepost"
    ),
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="For HTTP; 0: any free one.")
    ] = 8080,
    once: Annotated[
        bool, typer.Option("--once", help="End when every file is completed or failed.")
    ] = False,
) -> None:
    """Run all of Milepost on this machine and take files through it, until Ctrl-C."""
    # Imported here: the other commands should not wait for what only this one needs.
    from milepost_local.up import Wanted, until_interrupted  # noqa: PLC0415
    from milepost_local.up import up as run_stack  # noqa: PLC0415

    try:
        chosen = chosen_files(files) if files else sample_files()
    except NoSuchFileError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_WRONG_USAGE) from error
    directory = DataDirectory(data.expanduser().resolve())
    console = Console()
    failures: list[BaseException] = []
    try:
        with directory.held():
            logging.basicConfig(filename=directory.log("up"))
            wanted = Wanted(directory, chosen, port=port, once=once)
            interrupted = asyncio.run(
                until_interrupted(run_stack(wanted, LocalSettings(), console))
            )
    except* (LocalStackError, MilepostError) as group:
        failures = list(_leaves(group))
    for failure in failures:
        typer.echo(f"error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)
    if interrupted and once:
        raise typer.Exit(_INTERRUPTED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
