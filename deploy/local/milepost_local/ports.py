"""Free ports on 127.0.0.1 that a restarted server gets back."""

import json
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from milepost_local.errors import LocalStackError

# Below the ports that operating systems hand to outgoing connections: while a killed
# server is down, none of its reconnecting clients can come to sit on its port.
_CANDIDATES = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    for _ in range(1_000):
        port = secrets.choice(_CANDIDATES)
        if is_free(port):
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
        if list(kept) == list(names) and all(map(is_free, kept.values())):
            return kept
    ports = {name: free_port() for name in names}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports))
    return ports
