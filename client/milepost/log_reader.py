"""Reads a topic by offset, outside any group: ends, beginnings and single records."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError, OffsetGoneError

READ_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 5.0
"""For questions about offsets; the client itself would wait for much longer."""
STOP_TIMEOUT_S: Final = 5.0


class Record(Protocol):
    """A record as a consumer gets it."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """When the broker appended it, in ms since 1970."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


@contextmanager
def kafka_errors(what: str) -> Iterator[None]:
    """Translate what aiokafka raises.

    Raises:
        KafkaUnavailableError: trying again may help.
        OffsetGoneError: it will not, at that offset.
        ConsumerError: it will not.
    """
    try:
        yield
    except TimeoutError as error:
        raise KafkaUnavailableError(f"{what}: no answer in time") from error
    except OffsetOutOfRangeError as error:
        raise OffsetGoneError(f"{what}: out of range") from error
    except KafkaError as error:
        reason = f"{what}: {type(error).__name__} {error}"
        if error.retriable or isinstance(error, KafkaTimeoutError):
            raise KafkaUnavailableError(reason) from error
        raise ConsumerError(reason) from error


class LogReader:
    """A client of its own, so that no question waits behind a consumer's parked fetch.

    Every question raises `KafkaUnavailableError` while Kafka does not answer. A client that brings
    nothing where there is something may have died without a word, and is replaced.
    """

    def __init__(
        self, connection: KafkaSettings, topic: str, *, read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        self._topic = topic
        self._read_timeout_s = read_timeout_s
        self._options: dict[str, Any] = {
            **connection.client_options(),
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
        }
        self._client: Any = None
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        client = AIOKafkaConsumer(**self._options)
        with kafka_errors("connect"):
            await client.start()
        self._client = client

    async def stop(self) -> None:
        """Close the client; one that hangs is left behind."""
        await abandon(self._client)

    async def end_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """The offset after the last committed record of each partition, asked for in one go."""
        with kafka_errors("end offsets"):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return self._numbers(await self._client.end_offsets(self._at(partitions)))

    async def beginning_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """The offset of the oldest record that each partition still holds."""
        with kafka_errors("beginning offsets"):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return self._numbers(await self._client.beginning_offsets(self._at(partitions)))

    async def record(self, partition: int, offset: int) -> Record | None:
        """The record at an offset, None if the log has others around it but none there.

        Raises:
            OffsetGoneError: the offset lies before the log's beginning, or beyond its end.
        """
        found, _ = await self._read(partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    async def records(
        self, partition: int, offset: int, max_records: int
    ) -> tuple[Sequence[Record], int]:
        """The next records from an offset on, and the offset to go on from.

        Waits for records; ask for none at the end of the log.

        Raises:
            OffsetGoneError: the offset lies before the log's beginning, or beyond its end.
        """
        return await self._read(partition, offset, max_records)

    async def _read(
        self, partition: int, offset: int, max_records: int
    ) -> tuple[Sequence[Record], int]:
        at = TopicPartition(self._topic, partition)
        what = f"read {self._topic} {partition} {offset}"
        async with self._reading:
            self._client.assign([at])
            self._client.seek(at, offset)
            with kafka_errors(what):
                batches = await self._client.getmany(
                    at, timeout_ms=int(self._read_timeout_s * 1000), max_records=max_records
                )
                position: int = await self._client.position(at)
            self._client.unsubscribe()
            if position == offset:
                await self._replace()
                raise KafkaUnavailableError(f"{what}: nothing came")
        return batches.get(at, ()), position

    async def _replace(self) -> None:
        abandoned = self._client
        await self.start()
        await abandon(abandoned)

    def _at(self, partitions: Collection[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]

    @staticmethod
    def _numbers(offsets: dict[Any, int]) -> dict[int, int]:
        return {at.partition: offset for at, offset in offsets.items()}


async def abandon(client: Any) -> None:  # noqa: ANN401  aiokafka has no types
    """Stop a client, and leave its group, if Kafka answers in time; one that hangs is left."""
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait([stopping], timeout=STOP_TIMEOUT_S)
    if not stopping.done():
        stopping.cancel()
        await asyncio.wait([stopping], timeout=1.0)
