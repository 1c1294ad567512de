"""Kafka and Redis as Docker containers, with their data on this machine's disk."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from testcontainers.core.container import DockerContainer

from milepost_local.kafka_jars import KAFKA_VERSION
from milepost_local.kafka_server import kafka_answers, kafka_properties, new_cluster_id
from milepost_local.ports import kept_ports
from milepost_local.redis_server import DURABLE, redis_answers
from milepost_local.servers import Probe, await_answer

_KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_REDIS_IMAGE = "redis:8.2"
_MOUNTED = "/milepost"
_FORMAT_AND_RUN = (
    "test -f {root}/data/meta.properties || /opt/kafka/bin/kafka-storage.sh format"
    " --cluster-id={cluster_id} -c {root}/server.properties;"
    " exec /opt/kafka/bin/kafka-server-start.sh {root}/server.properties"
)


class ContainerServer:
    """A server in a container of its own; only its data directory outlives it."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        log: Path,
        build: Callable[[], DockerContainer],
        is_ready: Probe,
    ) -> None:
        """`build` returns a new container, not yet started, over the same data and port."""
        self.name = name
        self.address = address
        self.log = log
        self._build = build
        self._is_ready = is_ready
        self._container: DockerContainer | None = None

    @property
    def pid(self) -> int | None:
        """The id of the server's process on this machine while it runs."""
        if self._container is None:
            return None
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return wrapped.attrs["State"]["Pid"] or None

    async def start(self, *, within_s: float = 120.0) -> None:
        """Starts a new container, pulling its image if need be, and waits until it answers.

        Raises:
            ServerFailedError: It ended, or did not answer within `within_s`.
        """
        self.kill()
        self._container = await asyncio.to_thread(lambda: self._build().start())
        try:
            await await_answer(self, self._is_ready, within_s=within_s)
        except BaseException:
            self.kill()
            raise

    async def wait(self) -> int:
        """Waits until the server ends; returns its exit code."""
        if self._container is None:
            raise RuntimeError(f"{self.name} was never started")
        ended = await asyncio.to_thread(self._container.get_wrapped_container().wait)
        return int(ended["StatusCode"])

    async def stop(self) -> None:
        """Ends the server in order, or by force when it does not end."""
        if self._container:
            wrapped = self._container.get_wrapped_container()
            await asyncio.to_thread(wrapped.stop, timeout=20)
            self.kill()

    def kill(self) -> None:
        """Ends the server with SIGKILL and removes its container. `start` brings it back."""
        if self._container is None:
            return
        container, self._container = self._container, None
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        if wrapped.status == "running":
            wrapped.kill()
        self._keep_output(wrapped.logs())
        container.stop()

    def _keep_output(self, output: bytes) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(output)


def container_kafka(directory: Path, *, log: Path) -> ContainerServer:
    """A Kafka whose data lives under `directory`; its output goes to `log` when it ends."""
    port = kept_ports(directory / "ports.json", ["client"])["client"]
    address = f"127.0.0.1:{port}"

    def build() -> DockerContainer:
        (directory / "server.properties").write_text(
            kafka_properties(
                listeners="PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093",
                advertised=f"PLAINTEXT://{address}",
                controllers=["127.0.0.1:9093"],
                data=f"{_MOUNTED}/data",
            )
        )
        script = _FORMAT_AND_RUN.format(root=_MOUNTED, cluster_id=new_cluster_id())
        container = _container(_KAFKA_IMAGE, directory, _MOUNTED, ports={9092: port})
        # The image's own folder for logs belongs to another user.
        container.with_env("LOG_DIR", "/tmp/kafka").with_env("KAFKA_HEAP_OPTS", "-Xmx512m")  # noqa: S108  inside the container
        return container.with_command(["sh", "-c", script])

    return ContainerServer(
        "kafka", address, log=log, build=build, is_ready=lambda: kafka_answers(address)
    )


def container_redis(directory: Path, *, log: Path) -> ContainerServer:
    """A Redis whose data lives under `directory`; its output goes to `log` when it ends."""
    port = kept_ports(directory / "ports.json", ["client"])["client"]
    address = f"redis://127.0.0.1:{port}/0"

    def build() -> DockerContainer:
        container = _container(_REDIS_IMAGE, directory, "/data", ports={6379: port})
        return container.with_command(["redis-server", *DURABLE])

    return ContainerServer(
        "redis", address, log=log, build=build, is_ready=lambda: redis_answers(address)
    )


def _container(image: str, directory: Path, mount: str, ports: dict[int, int]) -> DockerContainer:
    """A container that runs as this user, so that its files can be removed like any other."""
    container = DockerContainer(image)
    container.with_kwargs(user=f"{os.getuid()}:{os.getgid()}")
    container.with_volume_mapping(directory.resolve(), mount, "rw")
    for inside, outside in ports.items():
        # The library's own way to bind a port would open it to the network.
        container.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)  # type: ignore[assignment]  # it takes one
    return container
