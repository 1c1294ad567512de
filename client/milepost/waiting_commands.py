"""The commands `milepost wait` and `milepost watch`."""

import asyncio
import math
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from milepost.errors import MilepostError, WaitTimeoutError
from milepost.exit_codes import ExitCode, exit_code_of, explained, say
from milepost.file_options import DATA, AsJson, Data, Files, Organization, Store
from milepost.named_files import NamedFile, named_files
from milepost.query_target import QueryTarget, find_query
from milepost.status_lines import print_status
from milepost.watch_board import WatchBoard
from milepost_schemas.http import ProcessingStatus

_AT_ONCE: Final = 64
"""Requests that are held for one command; further files wait for their turn."""
_LEAST_TURN_S: Final = 1
"""Whose turn comes at the end is asked about all the same."""
_WATCHED_AT_ONCE: Final = 50
_HOUR_S: Final = 3_600

Show = Callable[[NamedFile, ProcessingStatus], None]
Follow = Callable[[NamedFile], Coroutine[Any, Any, ProcessingStatus]]


def wait(  # noqa: PLR0913  each option is an argument
    files: Files,
    *,
    timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Longest wait.")
    ] = _HOUR_S,
    as_json: AsJson = False,
    organization: Organization = None,
    store: Store = None,
    data: Data = DATA,
) -> None:
    """Wait until files are completed or failed, and print how each of them ended.

    Exit codes, the largest where several apply:
    0  all files are completed
    1  a file has failed
    2  the command or its configuration is wrong
    3  the time is over
    4  a file is not there
    5  the service gives no answer
    """
    with explained():
        target = find_query(data, organization=organization, store=store)
        named = named_files(files, target)
    with explained(target), _spinner(f"Waiting for {len(named)} file{'s'[: len(named) > 1]}"):
        code = asyncio.run(_wait(target, named, timeout, as_json=as_json))
    raise typer.Exit(code)


def watch(  # noqa: PLR0913  each option is an argument
    files: Files,
    *,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Longest time; else no limit.")
    ] = None,
    as_json: AsJson = False,
    organization: Organization = None,
    store: Store = None,
    data: Data = DATA,
) -> None:
    """Show where files stand, and each change as it comes, until all are completed or failed.

    On a terminal it is a table that changes, elsewhere a line for each change. The exit codes are
    those of `milepost wait`, and 130 after Ctrl-C.
    """
    with explained():
        target = find_query(data, organization=organization, store=store)
        named = named_files(files, target)
    if len(named) > _WATCHED_AT_ONCE:
        raise typer.BadParameter(f"at most {_WATCHED_AT_ONCE} files; `milepost wait` takes more")
    timeout_s = math.inf if timeout is None else timeout
    with explained(target), WatchBoard.shown(named, as_json=as_json) as board:
        code = asyncio.run(_watch(target, named, timeout_s, board.show))
    raise typer.Exit(code)


def _spinner(text: str) -> AbstractContextManager[object]:
    """Something that moves on a terminal; what is printed meanwhile stays where it belongs."""
    console = Console()
    if not console.is_terminal:
        return nullcontext()
    spinner = Spinner("dots", Text(text))
    return Live(spinner, console=console, transient=True, redirect_stderr=sys.stderr.isatty())


async def _wait(
    target: QueryTarget, files: Sequence[NamedFile], timeout_s: float, *, as_json: bool
) -> ExitCode:
    ends_at = time.monotonic() + timeout_s
    turn = asyncio.Semaphore(_AT_ONCE)
    async with target.connect_async() as client:

        async def follow(file: NamedFile) -> ProcessingStatus:
            async with turn:
                left_s = max(ends_at - time.monotonic(), min(_LEAST_TURN_S, timeout_s))
                ended = client.knowledge.wait_until_processed(**file.ids(target), timeout_s=left_s)
                try:
                    status = await ended
                except WaitTimeoutError as error:
                    # The time that the user gave, not what the file's turn left of it.
                    raise WaitTimeoutError(timeout_s, error.last_status) from error.__cause__
            print_status(file, status, as_json=as_json)
            return status

        return await _follow_each(files, follow, target)


async def _watch(
    target: QueryTarget, files: Sequence[NamedFile], timeout_s: float, show: Show
) -> ExitCode:
    async with target.connect_async() as client:

        async def follow(file: NamedFile) -> ProcessingStatus:
            ids = file.ids(target)
            async with aclosing(client.knowledge.watch(**ids, timeout_s=timeout_s)) as told:
                async for status in told:
                    show(file, status)
            return status

        return await _follow_each(files, follow, target)


async def _follow_each(files: Sequence[NamedFile], follow: Follow, target: QueryTarget) -> ExitCode:
    """Follow all at the same time; what stops one of them does not stop the others."""

    async def ended(file: NamedFile) -> ExitCode:
        try:
            status = await follow(file)
        except MilepostError as error:
            say(error, target, file.key)
            return exit_code_of(error)
        return ExitCode.FAILED if status.status == "failed" else ExitCode.COMPLETED

    return max(await asyncio.gather(*map(ended, files)))
