"""One child process with a log file, in its own process group, tied to the life of its parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")
_POLL_S = 0.05


class Process:
    """A child process that can be started again after it ended.

    It has a process group of its own, so that Ctrl-C in the terminal reaches only the parent,
    which then stops its children in order. On Linux it is killed when the parent dies.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def launch(self) -> None:
        """Starts the process; its output is appended to the log.

        Call it in a thread that outlives the process: Linux ties a child to the thread.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603  the stack's own commands
                [*tether, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._inherited(),
            )

    async def start(self) -> None:
        """Starts the process, without waiting until it is ready for work."""
        self.launch()

    async def wait(self) -> int:
        """Waits until the process ends; returns its exit code, negative for a signal."""
        child = self._started()
        while (code := child.poll()) is None:  # noqa: ASYNC110  the kernel signals no asyncio event
            await asyncio.sleep(_POLL_S)
        return code

    async def stop(self, *, within_s: float = 10.0) -> None:
        """Asks the process to end with SIGTERM, and kills it when it has not after `within_s`."""
        if self.pid is not None:
            self._started().terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), within_s)
        self.kill()

    def kill(self) -> None:
        """Kills the process and whatever it started, with SIGKILL, and waits for its end."""
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child

    def _inherited(self) -> dict[str, str] | None:
        if self._environment is None:
            return None
        return {**os.environ, **self._environment}  # noqa: TID251  children inherit it
