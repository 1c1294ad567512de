"""A rebuild that sends itself a signal when it tells something: `… SIGSTOP Comparing`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from milepost_projector.rebuild.command import run
from milepost_projector.rebuild.target import find_source
from tests.fixtures.rebuilding import Watched


class Halt:
    """Sends the signal the first time that these words are told."""

    def __init__(self, number: signal.Signals, words: str) -> None:
        self._number = number
        self._words = words
        self._is_due = True

    def __call__(self, what: str) -> None:
        if self._is_due and self._words in what:
            self._is_due = False
            os.kill(os.getpid(), self._number)


def main() -> None:
    halt = Halt(signal.Signals[sys.argv[1]], sys.argv[2])
    asyncio.run(run(find_source(Path("no-stack")), Watched(halt), processes=1))


if __name__ == "__main__":
    main()
