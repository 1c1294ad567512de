"""Real Apache Kafka as a child process: one node that is broker and controller."""

import asyncio
import base64
import os
import subprocess
import uuid
from pathlib import Path

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost.errors import BrokersNotReadyError
from milepost_local.errors import ServerFailedError
from milepost_local.java import find_java
from milepost_local.kafka_jars import kafka_classpath
from milepost_local.ports import kept_ports
from milepost_local.servers import NativeServer

_LOGGING = "-Dorg.slf4j.simpleLogger."


def native_kafka(directory: Path, *, log: Path, java_home: Path | None = None) -> NativeServer:
    """A Kafka whose data lives under `directory`; its output goes to `log`."""
    ports = kept_ports(directory / "ports.json", ["client", "controller"])
    address = f"127.0.0.1:{ports['client']}"

    def prepare() -> list[str]:
        java = find_java(java_home)
        classpath = os.pathsep.join(map(str, kafka_classpath()))
        properties = directory / "server.properties"
        properties.write_text(_native_properties(directory, ports))
        if not (directory / "data" / "meta.properties").exists():
            _format(java, classpath, properties, log)
        return [
            str(java),
            "-Xmx512m",
            f"{_LOGGING}showDateTime=true",
            f"{_LOGGING}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            f"{_LOGGING}log.org.apache.kafka.common.config.AbstractConfig=warn",
            "-cp",
            classpath,
            "kafka.Kafka",
            str(properties),
        ]

    return NativeServer(
        "kafka",
        address,
        log=log,
        prepare=prepare,
        is_ready=lambda: kafka_answers(address),
    )


async def kafka_answers(address: str) -> bool:
    """Whether the brokers of `host:port,…` answer, and can take members into a group."""
    if not await _takes_connections(address.split(",", maxsplit=1)[0]):
        return False
    try:
        await create_topics(KafkaSettings(bootstrap_servers=address), (), timeout_s=2.0)
    except BrokersNotReadyError:
        return False
    return True


async def _takes_connections(broker: str) -> bool:
    host, _, port = broker.rpartition(":")
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def kafka_properties(*, listeners: str, advertised: str, controller: str, data: str) -> str:
    """The settings of a single node that is broker and controller."""
    return "\n".join(
        [
            "node.id=1",
            "process.roles=broker,controller",
            f"listeners={listeners}",
            f"advertised.listeners={advertised}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            f"controller.quorum.voters=1@{controller}",
            f"log.dirs={data}",
            "auto.create.topics.enable=false",
            "group.initial.rebalance.delay.ms=0",
            # A killed broker may come back only when its old session has ended.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            # A stack that rests for months must not lose where its groups stopped.
            "offsets.retention.minutes=5256000",
            "offsets.topic.num.partitions=4",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.num.partitions=4",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.num.partitions=4",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "",
        ]
    )


def new_cluster_id() -> str:
    """A random id in the form that Kafka wants: 16 bytes, base64 for URLs, unpadded."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _native_properties(directory: Path, ports: dict[str, int]) -> str:
    client, controller = (f"127.0.0.1:{ports[name]}" for name in ("client", "controller"))
    return kafka_properties(
        listeners=f"PLAINTEXT://{client},CONTROLLER://{controller}",
        advertised=f"PLAINTEXT://{client}",
        controller=controller,
        data=str(directory.resolve() / "data"),
    )


def _format(java: Path, classpath: str, properties: Path, log: Path) -> None:
    quick = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    silent = f"{_LOGGING}defaultLogLevel=warn"
    # With the equals sign, because a random id may begin with a dash.
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={new_cluster_id()}"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603  Kafka's own tool
            [str(java), *quick, silent, "-cp", classpath, *tool, "-c", str(properties)],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise ServerFailedError("kafka", "could not format its data directory", log)
