"""Topics: made if they are missing, checked if they are there."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from milepost.connection import KafkaSettings
from milepost.errors import (
    BrokersNotReadyError,
    ConsumerError,
    KafkaUnavailableError,
    TopicMismatchError,
    TopicRefusedError,
)
from milepost.log_reader import kafka_errors
from milepost_schemas.topics import TOPICS, Topic

_PAUSE_S = 0.25
_REQUEST_TIMEOUT_MS = 5_000


class _NotReadyYetError(Exception):
    """The brokers answer, but cannot serve clients yet."""


async def create_topics(
    connection: KafkaSettings, topics: Iterable[Topic] = TOPICS, *, timeout_s: float = 30
) -> None:
    """Make the topics that are missing and wait until producers and groups can use them.

    Repeating it changes nothing. The number of replicas is the brokers' own default.

    Raises:
        BrokersNotReadyError: a broker, a partition's leader or the group coordinator was still
            missing after `timeout_s` seconds.
        TopicMismatchError: a topic exists with another number of partitions.
        TopicRefusedError: the brokers do not allow the topic or its settings.
    """
    wanted = {topic.name: topic for topic in topics}
    cause = "no answer"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await _create_once(connection, wanted)
                except (KafkaError, OSError, TimeoutError, _NotReadyYetError) as error:
                    cause = str(error) or type(error).__name__
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError as error:
        raise BrokersNotReadyError(connection.bootstrap_servers, timeout_s, cause) from error


async def count_partitions(connection: KafkaSettings, topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        KafkaUnavailableError: the brokers do not answer, or the topic has no leaders yet.
        ConsumerError: there is no such topic.
    """
    with kafka_errors(f"describe {topic}"):
        async with _admin_client(connection) as client:
            described = await client.describe_topics()
    present = _led(described)
    if topic in present:
        return present[topic]
    if topic in {each["topic"] for each in described}:
        raise KafkaUnavailableError(f"{topic} has no leaders yet")
    raise ConsumerError(f"there is no topic {topic}; create the topics first")


async def committed_notes(connection: KafkaSettings, group_id: str, topic: str) -> dict[int, str]:
    """What a group has committed with its offsets, by partition.

    Raises:
        KafkaUnavailableError: the brokers do not answer.
    """
    with kafka_errors(f"committed offsets of {group_id}"):
        async with _admin_client(connection) as client:
            found = await client.list_consumer_group_offsets(group_id)
    return {at.partition: each.metadata for at, each in found.items() if at.topic == topic}


async def _create_once(connection: KafkaSettings, wanted: dict[str, Topic]) -> None:
    async with _admin_client(connection) as client:
        present = await _partition_counts(client)
        missing = [topic for name, topic in wanted.items() if name not in present]
        if missing:
            await _create(client, missing)
            present = await _partition_counts(client)
        for name, topic in wanted.items():
            if name not in present:
                raise _NotReadyYetError(f"{name} has no leaders yet")
            if present[name] != topic.partitions:
                raise TopicMismatchError(name, present[name], topic.partitions)
        # The first look for a coordinator makes the brokers create their own offsets topic.
        await client.find_coordinator("milepost")


@asynccontextmanager
async def _admin_client(connection: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(
        **connection.client_options(), request_timeout_ms=_REQUEST_TIMEOUT_MS
    )
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def _partition_counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    return _led(await client.describe_topics())


def _led(described: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The topics whose partitions all have a leader, with their number of partitions."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if not topic["error_code"]
        and all(partition["leader"] >= 0 for partition in topic["partitions"])
    }


async def _create(client: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    response = await client.create_topics(
        [
            # Empty assignments are how this client lets the brokers choose the replicas' number.
            NewTopic(topic.name, topic.partitions, -1, {}, dict(topic.configs))
            for topic in topics
        ]
    )
    for name, code, reason in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if error.retriable:
                raise error(reason)
            raise TopicRefusedError(name, reason or error.message)
