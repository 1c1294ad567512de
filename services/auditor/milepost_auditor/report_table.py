"""A verification's report for people."""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from milepost_auditor.differences import Difference
from milepost_auditor.outcomes import became_of
from milepost_auditor.report import Report

SHOWN: Final = 100
"""Differences that are printed; all that are kept are in the JSON."""


def print_report(report: Report, console: Console) -> None:
    """What became of the records, what was compared, and what differs."""
    console.print(_outcomes(report))
    compared = ", ".join(
        f"{number:,} {what.replace('_', ' ')}" for what, number in _compared(report)
    )
    console.print(Text(f"Compared: {compared or 'nothing'}."))
    if not report.difference_count:
        console.print(Text("Equal.", style="green"))
        return
    console.print(_differences(report.differences[:SHOWN]))
    console.print(Text(f"{report.difference_count:,} differences.", style="red"))


def _compared(report: Report) -> list[tuple[str, int]]:
    return [(what, number) for what, number in sorted(report.compared.items()) if number]


def _outcomes(report: Report) -> Table:
    table = Table("Records", "Became", "Outcome", box=None, pad_edge=False)
    by_number = sorted(report.outcomes.items(), key=lambda item: -item[1])
    for outcome, number in by_number:
        table.add_row(f"{number:,}", became_of(outcome).replace("_", " "), outcome)
    return table


def _differences(differences: list[Difference]) -> Table:
    table = Table("Kind", "Partition", "Offset", "Name", "Difference", box=None, pad_edge=False)
    for one in differences:
        table.add_row(
            one.kind.replace("_", " "),
            "–" if one.partition < 0 else str(one.partition),  # noqa: RUF001  a dash for nothing
            "–" if one.offset is None else str(one.offset),  # noqa: RUF001
            Text(one.name, overflow="fold"),
            Text(one.detail, overflow="fold"),
        )
    return table
