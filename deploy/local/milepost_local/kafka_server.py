"""Real Apache Kafka as child processes: nodes that are broker and controller at once."""

import asyncio
import base64
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    node = Node("kafka", 1, directory, ports, (_local(ports["controller"]),))
    return _native_node(node, new_cluster_id(), log=log, java_home=java_home)


def native_brokers(
    directory: Path, count: int, *, logs: Path, java_home: Path | None = None
) -> list[NativeServer]:
    """The nodes of one Kafka, to be started together, each with its data and log by its name.

    With three nodes every record is on all of them, and is acknowledged once it is on two.
    """
    names = [f"kafka-{number}" for number in range(1, count + 1)]
    cluster_id = new_cluster_id()
    ports = [
        kept_ports(directory / name / "ports.json", ["client", "controller"]) for name in names
    ]
    controllers = tuple(_local(each["controller"]) for each in ports)
    nodes = [
        Node(name, number, directory / name, own_ports, controllers)
        for number, (name, own_ports) in enumerate(zip(names, ports, strict=True), start=1)
    ]
    return [
        _native_node(node, cluster_id, log=logs / f"{node.name}.log", java_home=java_home)
        for node in nodes
    ]


@dataclass(frozen=True)
class Node:
    """One process of a Kafka."""

    name: str
    node_id: int
    directory: Path
    ports: Mapping[str, int]
    controllers: Sequence[str]
    """`host:port` of the controllers of all nodes, in the order of their ids."""


def _native_node(node: Node, cluster_id: str, *, log: Path, java_home: Path | None) -> NativeServer:
    address = _local(node.ports["client"])

    def prepare() -> list[str]:
        java = find_java(java_home)
        classpath = os.pathsep.join(map(str, kafka_classpath()))
        properties = node.directory / "server.properties"
        properties.write_text(_native_properties(node))
        if not (node.directory / "data" / "meta.properties").exists():
            _format([str(java), "-cp", classpath], properties, cluster_id, log)
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
        node.name, address, log=log, prepare=prepare, is_ready=lambda: kafka_answers(address)
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


def kafka_properties(
    *, listeners: str, advertised: str, controllers: Sequence[str], data: str, node_id: int = 1
) -> str:
    """The settings of a node that is broker and controller; `controllers` has one for each node.

    There are as many replicas of everything as nodes, and a write needs more than half of them.
    """
    replicas, needed = len(controllers), len(controllers) // 2 + 1
    voters = ",".join(f"{number}@{each}" for number, each in enumerate(controllers, start=1))
    return "\n".join(
        [
            f"node.id={node_id}",
            "process.roles=broker,controller",
            f"listeners={listeners}",
            f"advertised.listeners={advertised}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            f"controller.quorum.voters={voters}",
            f"log.dirs={data}",
            "auto.create.topics.enable=false",
            f"default.replication.factor={replicas}",
            f"min.insync.replicas={needed}",
            "unclean.leader.election.enable=false",
            "group.initial.rebalance.delay.ms=0",
            # A killed broker may come back only when its old session has ended.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            # A stack that rests for months must not lose where its groups stopped.
            "offsets.retention.minutes=5256000",
            "offsets.topic.num.partitions=4",
            f"offsets.topic.replication.factor={replicas}",
            "transaction.state.log.num.partitions=4",
            f"transaction.state.log.replication.factor={replicas}",
            f"transaction.state.log.min.isr={needed}",
            "share.coordinator.state.topic.num.partitions=4",
            f"share.coordinator.state.topic.replication.factor={replicas}",
            f"share.coordinator.state.topic.min.isr={needed}",
            "",
        ]
    )


def new_cluster_id() -> str:
    """A random id in the form that Kafka wants: 16 bytes, base64 for URLs, unpadded."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _native_properties(node: Node) -> str:
    client, controller = (_local(node.ports[name]) for name in ("client", "controller"))
    return kafka_properties(
        listeners=f"PLAINTEXT://{client},CONTROLLER://{controller}",
        advertised=f"PLAINTEXT://{client}",
        controllers=node.controllers,
        data=str(node.directory.resolve() / "data"),
        node_id=node.node_id,
    )


def _local(port: int) -> str:
    return f"127.0.0.1:{port}"


def _format(java: Sequence[str], properties: Path, cluster_id: str, log: Path) -> None:
    quick = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    silent = f"{_LOGGING}defaultLogLevel=warn"
    # With the equals sign, because a random id may begin with a dash.
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603  Kafka's own tool
            [*java, *quick, silent, *tool, "-c", str(properties)],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise ServerFailedError("kafka", "could not format its data directory", log)
