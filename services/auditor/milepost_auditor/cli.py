"""The commands `milepost audit verify` and `milepost audit history`."""

import json
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from milepost.errors import InvalidIdentifierError, MilepostError
from milepost_auditor.history import read_history
from milepost_auditor.history_table import print_history
from milepost_auditor.progress import record_progress
from milepost_auditor.report_table import print_report
from milepost_auditor.targets import find_target
from milepost_auditor.verification import Wanted
from milepost_auditor.verification import verify as run_verification
from milepost_schemas.identity import is_file_id, is_identifier

DIFFERENT: Final = 1
NONE_FOUND: Final = 1
NO_FINDING: Final = 2
"""Nothing can be said: Kafka or Redis is away, or they do not belong together."""

audit = typer.Typer(no_args_is_help=True, help="Compare what was made of the log with the log.")

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of a local stack.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@audit.command()
def verify(
    data: Data = Path(".milepost"),
    *,
    as_json: AsJson = False,
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes; one per core.")
    ] = None,
    caught_up_within: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="S", help="Wait so many seconds for all of the log to be applied."
        ),
    ] = None,
) -> None:
    """Fold the log and compare documents, indexes, counters, statuses and dead letters with it.

    Exit code 0: equal; 1: differences; 2: nothing can be said.
    """
    wanted = Wanted(processes, caught_up_within)
    try:
        with record_progress() as progress:
            bar = progress.add_task("Folding the log", total=None)
            report = run_verification(
                find_target(data),
                wanted,
                lambda done, total: progress.update(bar, completed=done, total=total),
            )
    except MilepostError as error:
        raise _stop(error) from error
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        print_report(report, Console())
    if report.difference_count:
        raise typer.Exit(DIFFERENT)


@audit.command()
def history(
    file: Annotated[str, typer.Argument(metavar="STORE/FILE", help="The file.")],
    data: Data = Path(".milepost"),
    *,
    as_json: AsJson = False,
) -> None:
    """Print every event of a file: what it changed, or why it was ignored or is a dead letter.

    Exit code 0: there are some; 1: the log has none; 2: nothing can be said.
    """
    try:
        key = _file_key(file)
        with record_progress() as progress:
            bar = progress.add_task("Reading the log", total=None)
            found = read_history(
                find_target(data),
                key,
                lambda done, total: progress.update(bar, completed=done, total=total),
            )
    except MilepostError as error:
        raise _stop(error) from error
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=2))
    else:
        print_history(found, Console())
    if not found.events:
        raise typer.Exit(NONE_FOUND)


def _file_key(file: str) -> str:
    store_id, _, file_id = file.partition("/")
    if not is_identifier(store_id):
        raise InvalidIdentifierError("STORE", store_id)
    if not is_file_id(file_id):
        raise InvalidIdentifierError("FILE", file_id)
    return file


def _stop(error: MilepostError) -> typer.Exit:
    Console(stderr=True).print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(NO_FINDING)
