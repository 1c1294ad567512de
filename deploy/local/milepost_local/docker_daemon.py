"""Tells whether containers can be had here."""

import socket

_PREFIX = "unix://"


def docker_answers(host: str, *, within_s: float = 2.0) -> bool:
    """Whether a Docker daemon answers at `host`, which must be a socket of this machine.

    The command-line program alone proves nothing, and a daemon elsewhere could neither mount
    a folder of this machine nor open a port on it.
    """
    if not host.startswith(_PREFIX):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.settimeout(within_s)
        try:
            daemon.connect(host.removeprefix(_PREFIX))
            daemon.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in daemon.recv(64)
        except OSError:
            return False
