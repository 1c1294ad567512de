"""The folder in which a stack keeps everything, and which belongs to one stack at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from milepost_local.errors import LocalStackError


@dataclass(frozen=True)
class DataDirectory:
    """Where each thing of a stack lies; only the user may look inside."""

    root: Path

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def objects_url(self) -> str:
        return (self.root / "objects").as_uri()

    @property
    def index_file(self) -> Path:
        return self.root / "index.sqlite"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps every other stack out, until left or until this process dies.

        Raises:
            LocalStackError: Another stack holds the directory.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / "logs").mkdir(exist_ok=True)
        with (self.root / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise LocalStackError(
                    f"Another stack (process {lock.read().strip()}) runs on {self.root}; "
                    "stop it, or choose another directory with --data"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def write_private(path: Path, text: str) -> None:
    """Replaces a file at once, readable by its owner only: readers see the old or the new text."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
