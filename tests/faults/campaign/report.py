"""What came of a campaign."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

SHOWN = 20
"""Losses and lies that are printed, and the number of all."""


@dataclass
class Report:
    """The figures, as Jepsen gives them: everything acknowledged is accounted for."""

    seed: int
    faults: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long each kind of fault took to be recovered from."""
    counts: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    unrecovered: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.lies or self.crashes or self.unrecovered)

    def as_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "faults": self.faults,
            **self.counts,
            "lost": len(self.lost),
            "regressed": sum("back" in lie for lie in self.lies),
            "lies": len(self.lies),
            "crashed": len(self.crashes),
            "unrecovered": len(self.unrecovered),
            "recovery_s": {
                kind: {
                    "faults": len(took),
                    "median": round(median(took), 2),
                    "max": round(max(took), 2),
                }
                for kind, took in sorted(self.seconds.items())
            },
        }

    def print(self, console: Console) -> None:
        """Show what went wrong, then the figures."""
        for name in ("lost", "lies", "crashes", "unrecovered"):
            found: list[str] = getattr(self, name)
            for each in found[:SHOWN]:
                console.print(f"{name}: {each[:500]}", style="red", markup=False)
            if len(found) > SHOWN:
                console.print(f"{name}: {len(found)} in all", style="red")
        told = self.as_dict()
        recovery = told.pop("recovery_s")
        figures = Table(title=f"{self.faults} faults, seed {self.seed}", title_justify="left")
        figures.add_column("what")
        figures.add_column("count", justify="right")
        for name, count in told.items():
            figures.add_row(name.replace("_", " "), f"{count:,}")
        console.print(figures)
        console.print(_recovery(recovery))


def _recovery(kinds: dict[str, dict[str, float]]) -> Table:
    table = Table(title="seconds to recover", title_justify="left")
    table.add_column("fault")
    for name in ("faults", "median", "max"):
        table.add_column(name, justify="right")
    for kind, told in kinds.items():
        table.add_row(kind, str(told["faults"]), f"{told['median']:.1f}", f"{told['max']:.1f}")
    return table
