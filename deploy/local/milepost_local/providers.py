"""The one way to a Kafka and a Redis, for the stack, the tests and the benchmarks alike.

The first that applies: an address from the environment, a container where a Docker daemon
answers, a native process with nothing but what pip installs.
"""

from pathlib import Path

from milepost_local.docker_daemon import docker_answers
from milepost_local.kafka_server import kafka_answers, native_kafka
from milepost_local.redis_server import native_redis, redis_answers
from milepost_local.servers import ExternalServer, OwnServer
from milepost_local.settings import LocalSettings


def provide_kafka(directory: Path, settings: LocalSettings) -> ExternalServer | OwnServer:
    """The Kafka that `settings` names, else one of our own with its data in DIR/kafka."""
    if address := settings.kafka_bootstrap_servers:
        return ExternalServer("Kafka", address, is_ready=lambda: kafka_answers(address))
    return own_kafka(directory, settings)


def provide_redis(directory: Path, settings: LocalSettings) -> ExternalServer | OwnServer:
    """The Redis that `settings` names, else one of our own with its data in DIR/redis."""
    if address := settings.redis_url:
        return ExternalServer("Redis", address, is_ready=lambda: redis_answers(address))
    return own_redis(directory, settings)


def own_kafka(directory: Path, settings: LocalSettings) -> OwnServer:
    """A Kafka nobody else uses, which can be killed: its data in DIR/kafka, its log in DIR/logs."""
    data, log = directory / "kafka", directory / "logs" / "kafka.log"
    if docker_answers(settings.docker_host):
        # Imported here: the container library takes longer to import than Redis to start.
        from milepost_local.containers import container_kafka  # noqa: PLC0415

        return container_kafka(data, log=log)
    return native_kafka(data, log=log, java_home=settings.java_home)


def own_redis(directory: Path, settings: LocalSettings) -> OwnServer:
    """A Redis nobody else uses, which can be killed: its data in DIR/redis, its log in DIR/logs."""
    data, log = directory / "redis", directory / "logs" / "redis.log"
    if docker_answers(settings.docker_host):
        # Imported here: the container library takes longer to import than Redis to start.
        from milepost_local.containers import container_redis  # noqa: PLC0415

        return container_redis(data, log=log)
    return native_redis(data, log=log)
