"""The commands `milepost audit verify` and `milepost audit history`."""

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from milepost.errors import MilepostError
from milepost_auditor.progress import record_progress
from milepost_auditor.report_table import print_report
from milepost_auditor.targets import find_target
from milepost_auditor.verification import Wanted
from milepost_auditor.verification import verify as run_verification

DIFFERENT: Final = 1
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
    wanted = Wanted(processes or os.cpu_count() or 1, caught_up_within)
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


def _stop(error: MilepostError) -> typer.Exit:
    Console(stderr=True).print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(NO_FINDING)
