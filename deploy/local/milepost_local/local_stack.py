"""Brings up all of Milepost: Kafka, Redis, the topics and the services, in that order."""

import asyncio

from milepost.admin import create_topics
from milepost.connection import KafkaSettings
from milepost_local.api_key import ORGANIZATION_ID, STORE_ID, LocalKey, local_key
from milepost_local.data_directory import DataDirectory
from milepost_local.errors import LocalStackError
from milepost_local.ports import free_port, is_free
from milepost_local.process import Process
from milepost_local.providers import provide_kafka, provide_redis
from milepost_local.servers import ExternalServer, OwnServer
from milepost_local.services import await_ready, service
from milepost_local.settings import LocalSettings
from milepost_local.stack_file import Stack
from milepost_local.supervisor import Supervisor


async def bring_up(
    supervisor: Supervisor, directory: DataDirectory, *, port: int, settings: LocalSettings
) -> Stack:
    """Starts everything under the supervisor and returns once it answers.

    The caller holds the directory. Port 0 means any free one.

    Raises:
        LocalStackError: A part could not be had or did not become ready.
        MilepostError: The topics could not be made.
        ExceptionGroup: Of such errors, when both servers failed.
    """
    port = _free(port)
    key = local_key(directory)
    kafka = provide_kafka(directory.root, settings)
    redis = provide_redis(directory.root, settings)
    async with asyncio.TaskGroup() as starts:
        for server in (kafka, redis):
            starts.create_task(_start(supervisor, server))
    stack = Stack(
        query_url=f"http://127.0.0.1:{port}",
        kafka_bootstrap_servers=kafka.address,
        redis_url=redis.address,
        api_key=key.secret,
        organization_id=ORGANIZATION_ID,
        store_id=STORE_ID,
    )
    await create_topics(KafkaSettings(bootstrap_servers=kafka.address))
    for part in _services(directory, stack, key, port):
        await supervisor.start(part)
    await await_ready(stack.query_url, directory)
    return stack


async def _start(supervisor: Supervisor, server: ExternalServer | OwnServer) -> None:
    if isinstance(server, ExternalServer):
        await server.start()
    else:
        await supervisor.start(server)


def _services(
    directory: DataDirectory, stack: Stack, key: LocalKey, port: int
) -> tuple[Process, ...]:
    """The services in the order of their start: who reads comes before who is read."""
    kafka = {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers}
    redis = {"REDIS_URL": stack.redis_url}
    http = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port), "API_KEYS_FILE": str(key.keys_file)}
    files = {"OBJECTS_URL": directory.objects_url, "INDEX_FILE": str(directory.index_file)}
    return (
        service("projector", directory, kafka | redis),
        service("query", directory, redis | http),
        service("pipeline", directory, kafka | files),
    )


def _free(port: int) -> int:
    if port == 0:
        return free_port()
    if not is_free(port):
        raise LocalStackError(
            f"Port {port} of 127.0.0.1 is taken; "
            "stop what listens there, or choose another with --port (0: any free one)"
        )
    return port
