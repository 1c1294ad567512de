"""A rebuild that sends itself a signal between close and switch: `python -m … SIGSTOP`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from milepost_projector.rebuild.command import run
from milepost_projector.rebuild.target import find_source
from tests.fixtures.rebuilding import Watched


class Halt:
    """Sends the signal the first time that a generation is closed."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number
        self._is_due = True

    def __call__(self, what: str) -> None:
        if self._is_due and what.endswith("is closed"):
            self._is_due = False
            os.kill(os.getpid(), self._number)


def main() -> None:
    halt = Halt(signal.Signals[sys.argv[1]])
    asyncio.run(run(find_source(Path("no-stack")), Watched(halt), processes=1))


if __name__ == "__main__":
    main()
