import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from milepost_local.docker_daemon import docker_answers


@contextmanager
def daemon(path: Path, answer: bytes) -> Iterator[str]:
    """A socket that answers one connection, or keeps it waiting when the answer is empty."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(1)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                if answer:
                    connection.sendall(answer)
                else:
                    connection.recv(1024)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{path}"
        thread.join()


def test_a_daemon_that_answers_its_ping_counts(tmp_path: Path) -> None:
    with daemon(tmp_path / "docker.sock", b"HTTP/1.0 200 OK\r\n\r\nOK") as host:
        assert docker_answers(host)


def test_a_daemon_that_refuses_does_not_count(tmp_path: Path) -> None:
    with daemon(tmp_path / "docker.sock", b"HTTP/1.0 503 Unavailable\r\n\r\n") as host:
        assert not docker_answers(host)


def test_a_daemon_that_hangs_does_not_count(tmp_path: Path) -> None:
    with daemon(tmp_path / "docker.sock", b"") as host:
        assert not docker_answers(host, within_s=0.2)


def test_no_socket_is_no_daemon(tmp_path: Path) -> None:
    assert not docker_answers(f"unix://{tmp_path}/docker.sock")


def test_a_daemon_on_another_machine_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not docker_answers(f"tcp://127.0.0.1:{server.getsockname()[1]}")
