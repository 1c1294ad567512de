"""Free ports on 127.0.0.1 that a restarted server gets back."""

import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from milepost_local.errors import LocalStackError

# Below the ports that operating systems hand to outgoing connections: while a killed
# server is down, none of its reconnecting clients can come to sit on its port.
_CANDIDATES: Final = range(20_000, 32_000)

_claimed: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that no other call returns while this process lives."""
    for _ in range(1_000):
        port = secrets.choice(_CANDIDATES)
        if port not in _claimed and _claim(port):
            return port
    raise LocalStackError(
        f"No free port from {_CANDIDATES.start} to {_CANDIDATES.stop - 1} on 127.0.0.1; "
        "stop some of the programs that listen there"
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def kept_ports(file: Path, names: Sequence[str]) -> dict[str, int]:
    """A port for each name: those written in `file` if all are still free, else new ones."""
    if file.exists():
        kept: dict[str, int] = json.loads(file.read_text())
        if list(kept) == list(names) and all(map(_claim, kept.values())):
            return kept
    ports = {name: free_port() for name in names}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports))
    return ports


def _claim(port: int) -> bool:
    """Make a free port this process's own, until it ends; whether no other has claimed it.

    A server is started some time after its port was chosen, and may be down for a while: till
    then nothing listens there. So each byte of one file stands for a port, and is locked.
    """
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    if not is_free(port):
        return False
    _claimed.add(port)
    return True


@cache
def _claims() -> int:
    """The file of claims, open for as long as this process lives: to close it gives them up."""
    file = Path(tempfile.gettempdir()) / f"milepost-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
