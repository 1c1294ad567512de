"""The status topic, written in transactions that a former owner of a partition cannot commit.

One producer for each partition carries the partition's name in its transactional id: the brokers
let only the newest of them in. Whatever a frozen owner still had in hand when another took over is
aborted, and readers with `isolation.level=read_committed` never see it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from confluent_kafka import KafkaException, Producer

from milepost.connection import KafkaSettings
from milepost.errors import KafkaUnavailableError
from milepost_projector.partition import Partition
from milepost_schemas.document import Document
from milepost_schemas.identity import file_key
from milepost_schemas.status_record import encode_status, status_headers

T = TypeVar("T")

TRANSACTION_TIMEOUT_S: Final = 10
"""For as long, an owner that froze in a transaction can hold up the readers of its partition."""
CALL_TIMEOUT_S: Final = 5.0


class ProducerFencedError(Exception):
    """This producer can publish no more: another owner has taken the partition, or it broke."""


class StatusTopic:
    """Publishes statuses of some partitions; calls for one partition follow each other.

    librdkafka blocks, so each partition has a thread; a call that is cancelled goes on there, and
    the next one waits for it.
    """

    def __init__(self, connection: KafkaSettings, topic: str, group: str) -> None:
        self._topic = topic
        self._group = group
        self._options = connection.librdkafka_options()
        self._producers: dict[int, Producer] = {}
        self._threads: dict[int, ThreadPoolExecutor] = {}

    async def fence(self, partition: int) -> None:
        """Keep all former owners out from now on; do this before any position is read.

        Raises:
            KafkaUnavailableError: Kafka is away.
        """
        await self._call(partition, lambda: self._fence(partition))

    async def publish(self, partition: Partition, documents: Sequence[Document]) -> None:
        """Publish all of them, or none that a reader sees. Repeating it does no harm.

        Raises:
            ProducerFencedError: somebody else owns the partition.
            KafkaUnavailableError: Kafka is away; nothing of it will become visible.
        """
        await self._call(partition.number, lambda: self._publish(partition, documents))

    async def close(self) -> None:
        """Leave everything that is not committed to the next owner."""
        for thread in self._threads.values():
            thread.shutdown(wait=False, cancel_futures=True)

    async def _call(self, partition: int, work: Callable[[], T]) -> T:
        thread = self._threads.get(partition)
        if thread is None:
            thread = self._threads[partition] = ThreadPoolExecutor(1, f"status-{partition}")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except KafkaException as error:
            reason = f"status topic {self._topic}: {error.args[0]}"
            if error.args[0].fatal():
                raise ProducerFencedError(reason) from error
            raise KafkaUnavailableError(reason) from error

    def _fence(self, partition: int) -> None:
        # Two producers of one id in one process would fence each other.
        self._producers.pop(partition, None)
        options = self._options | {
            "transactional.id": f"{self._group}.{self._topic}.{partition}",
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1000,
            "compression.type": "lz4",
            "log_level": 0,
        }
        producer = Producer(options)
        producer.init_transactions(CALL_TIMEOUT_S)
        self._producers[partition] = producer

    def _publish(self, partition: Partition, documents: Sequence[Document]) -> None:
        producer = self._producers[partition.number]
        try:
            producer.begin_transaction()
            for document in documents:
                self._produce(producer, partition, document)
            producer.commit_transaction(CALL_TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].fatal():
                _abort(producer)
            raise

    def _produce(self, producer: Producer, partition: Partition, document: Document) -> None:
        """Hand a document over; waits while librdkafka has no room for it."""
        key = file_key(document.store_id, document.file_id)
        value, headers = encode_status(document), status_headers(document, partition.generation)
        while True:
            try:
                producer.produce(self._topic, value, key, partition.number, headers=[*headers])
            except BufferError:
                producer.poll(CALL_TIMEOUT_S)
            else:
                return


def _abort(producer: Producer) -> None:
    """Leave the transaction; a producer that cannot is of no use any more.

    A commit that ran out of time may have happened: only a successor can find out.
    """
    try:
        producer.abort_transaction(CALL_TIMEOUT_S)
    except KafkaException as error:
        raise ProducerFencedError(f"cannot abort: {error.args[0]}") from error
