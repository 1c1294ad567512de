import json
import socket
from pathlib import Path

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
