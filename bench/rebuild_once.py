"""One rebuild in this process, whose filling is timed from the first record to the last."""

import json
import sys
import time
from pathlib import Path

import uvloop

from milepost_projector.rebuild.command import run
from milepost_projector.rebuild.target import find_source


class Stopwatch:
    """Times the first lap of filling, which fills nearly everything."""

    def __init__(self) -> None:
        self.records = 0
        self.seconds = 0.0
        self._is_filling = False
        self._began_at = 0.0
        self._from = 0

    def begin(self, what: str, total: int | None) -> None:  # noqa: ARG002  the rebuild's interface
        self._is_filling = what == "Filling" and not self.records

    def reach(self, done: int) -> None:
        if not self._is_filling:
            return
        if not self._from:
            self._began_at, self._from = time.perf_counter(), done
        self.records, self.seconds = done - self._from, time.perf_counter() - self._began_at

    def say(self, what: str) -> None:
        """Nobody listens."""


def main(processes: int) -> dict[str, float]:
    """Records per second, from the first that are filled on, as those of a live projector."""
    watch = Stopwatch()
    uvloop.run(run(find_source(Path("no-stack-here")), watch, processes=processes))
    return {"events_per_s": watch.records / watch.seconds}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
