"""`milepost up` as a process, as a user starts it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MILEPOST = Path(sys.executable).with_name("milepost")


@dataclass
class RunningStack:
    """A stack whose output goes to a file."""

    process: subprocess.Popen[bytes]
    data: Path
    output_file: Path

    def output(self) -> str:
        return self.output_file.read_text()

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.data / "stack.json").read_text())
        return facts

    def until(self, claim: Callable[[], object], *, within_s: float = 60.0) -> None:
        """Waits until the claim holds; fails with the stack's output when it ends or is late."""
        deadline = time.monotonic() + within_s
        while not claim():
            assert self.process.poll() is None, f"the stack ended: {self.output()}"
            assert time.monotonic() < deadline, f"too late: {self.output()}"
            time.sleep(0.05)

    def until_ready(self) -> None:
        self.until((self.data / "stack.json").exists)


@contextmanager
def running_stack(
    data: Path,
    *arguments: str | Path | int,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningStack]:
    """`milepost up --data DATA ARGUMENTS…`; it is killed in the end if it still runs."""
    output_file = data.with_suffix(".out")
    command = [str(MILEPOST), "up", "--data", str(data), *map(str, arguments)]
    with (
        output_file.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},  # noqa: TID251  a user's environment
        ) as process,
    ):
        try:
            yield RunningStack(process, data, output_file)
        finally:
            process.kill()


@contextmanager
def stack_in_a_terminal(
    data: Path, *arguments: str | Path | int
) -> Iterator[tuple[RunningStack, Callable[[bytes], object]]]:
    """The same in a terminal of its own; also yields what types into that terminal."""
    output_file = data.with_suffix(".out")
    command = [str(MILEPOST), "up", "--data", str(data), *map(str, arguments)]
    keyboard, screen = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}  # noqa: TID251  a user's
    with subprocess.Popen(
        # The program is the one in the foreground, so that Ctrl-C reaches it and nobody else.
        ["/usr/bin/setsid", "--ctty", *command],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env=environment,
    ) as process:
        os.close(screen)
        record = threading.Thread(target=_record, args=(keyboard, output_file))
        record.start()
        try:
            yield RunningStack(process, data, output_file), lambda keys: os.write(keyboard, keys)
        finally:
            process.kill()
            record.join()
            os.close(keyboard)


def _record(terminal: int, file: Path) -> None:
    with file.open("wb", buffering=0) as output:
        while True:
            try:
                output.write(os.read(terminal, 4096))
            except OSError:  # nobody has the screen open any more
                return


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
