"""The life of one aiokafka producer: built the right way, started in time, given up for good."""

import asyncio
import random
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from milepost.connection import KafkaSettings
from milepost_schemas.topics import partition_of

_START_TIMEOUT_S = 10
_REQUEST_TIMEOUT_MS = 10_000
_MAX_BATCH_BYTES = 256 * 1024
_GRACE_S = 1.0

NULL = object()
"""The value of a record that has none; aiokafka refuses None where the key is None as well."""


async def start_producer(
    connection: KafkaSettings, *, linger_ms: int, max_record_bytes: int
) -> AIOKafkaProducer:
    """A producer that is connected and has its producer id.

    Raises:
        KafkaError: the brokers cannot be reached, or refuse the client.
        OSError: a certificate file cannot be read.
        TimeoutError: the brokers took too long.
    """
    producer = AIOKafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=linger_ms,
        max_batch_size=min(_MAX_BATCH_BYTES, max_record_bytes),
        max_request_size=max_record_bytes,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        partitioner=choose_partition,
        value_serializer=_nullable,
    )
    starting = asyncio.create_task(producer.start())
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            await asyncio.shield(starting)
    except BaseException:
        # Cancelled between connecting and the broker's first answer, it would leak the connection.
        await asyncio.wait((starting,), timeout=_GRACE_S)
        starting.cancel()
        await asyncio.wait((starting,))
        await abandon(producer)
        raise
    return producer


def choose_partition(key: bytes | None, every: Sequence[int], available: Sequence[int]) -> int:
    """The contract's partition of a key; any available one without a key."""
    if key is None:
        return random.choice(available or every)  # noqa: S311  spreads load, guards nothing
    return every[partition_of(key, len(every))]


async def ended(producer: AIOKafkaProducer) -> None:
    """Return once the producer's own sender has ended: it takes records and sends none."""
    await asyncio.wait((producer._sender.sender_task,))  # noqa: SLF001  nothing else tells


async def abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it still holds; never hangs, never raises.

    Its own `stop` waits for acknowledgements that may never come, so the sender and the client
    are closed one by one.
    """
    producer._closed = True  # noqa: SLF001  else it complains of never having been closed
    sender = producer._sender.sender_task  # noqa: SLF001  there is no public way to end it
    if sender is not None:
        sender.cancel()
    closing = asyncio.create_task(producer.client.close())
    tasks = {closing} if sender is None else {closing, sender}
    # A cancelled sender first awaits the requests in flight; the second cancel ends those.
    for _ in range(2):
        _, tasks = await asyncio.wait(tasks, timeout=_GRACE_S)
        if not tasks:
            break
        for task in tasks:
            task.cancel()


def _nullable(value: bytes | object) -> bytes | object | None:
    return None if value is NULL else value
