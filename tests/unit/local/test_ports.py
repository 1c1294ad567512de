import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from milepost_local import ports
from milepost_local.errors import LocalStackError
from milepost_local.ports import free_port, is_free, kept_ports


def test_a_free_port_can_be_listened_on_and_then_is_not_free() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_ports_are_kept_for_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert kept_ports(file, ["client", "controller"]) == kept_ports(file, ["client", "controller"])


def test_a_kept_port_that_someone_took_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    taken = kept_ports(file, ["client"])["client"]

    with socket.create_server(("127.0.0.1", taken)):
        assert kept_ports(file, ["client"])["client"] != taken


def test_other_names_get_other_ports(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    kept_ports(file, ["client"])

    assert list(kept_ports(file, ["client", "controller"])) == ["client", "controller"]
    assert list(json.loads(file.read_text())) == ["client", "controller"]


def test_ports_are_not_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < first


def test_a_port_is_returned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(ports, "_CANDIDATES", range(port, port + 1))
    with pytest.raises(LocalStackError, match=f"No free port from {port}"):
        free_port()


OTHER_PROCESS = """
import sys
from milepost_local import ports
port = int(sys.argv[1])
ports._CANDIDATES = range(port, port + 1)
print(ports.free_port())
"""


def test_a_port_is_not_returned_to_another_process_as_long_as_the_first_lives() -> None:
    def other(port: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", OTHER_PROCESS, str(port)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    taken = free_port()
    assert "No free port" in other(taken).stderr
    words = [sys.executable, "-c", "from milepost_local.ports import *; print(free_port())"]
    given_up = int(subprocess.check_output(words))
    assert other(given_up).stdout.split() == [str(given_up)]
