"""Which log stands behind the topic's name: one that is deleted and made anew is another."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError
from milepost_projector.outages import Report, persevere
from milepost_projector.partition import Folded, PartitionFold

ANSWER_TIMEOUT_S: Final = 5.0

_OPTIONS: Final[dict[str, str | int]] = {"log_level": 0, "reconnect.backoff.max.ms": 500}
_REFUSALS: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001  it is named so
)

log = structlog.get_logger()

Work = Sequence[tuple[PartitionFold, Folded]]


class LogIdentity:
    """Asks Kafka for the topic's id, which no other log ever has.

    Consumers fetch by name and do not notice when the log behind it is replaced by a longer one. An
    answer that is the same before and after records were read says that they are that log's.
    """

    def __init__(self, connection: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._client = AdminClient({**connection.librdkafka_options(), **_OPTIONS})

    async def ask(self) -> str:
        """The id of the log that is there now.

        Raises:
            KafkaUnavailableError: Kafka does not answer, or has no such topic at the moment.
            ConsumerError: it refuses to.
        """
        names = TopicCollection([self._topic])
        asked = self._client.describe_topics(names, request_timeout=ANSWER_TIMEOUT_S)
        try:
            described = await asyncio.wrap_future(asked[self._topic])
        except KafkaException as error:
            reason = f"describe {self._topic}: {error.args[0]}"
            if error.args[0].code() in _REFUSALS:
                raise ConsumerError(reason) from error
            raise KafkaUnavailableError(reason) from error
        return str(described.topic_id)

    async def sift(self, work: Work, drop: Callable[[PartitionFold], None], report: Report) -> Work:
        """The work that may be written; partitions that were opened on another log are dropped.

        Records that came before the call are of the log that they are taken for, if that is there
        now: an id never comes back. While Kafka cannot say, nothing is written.
        """
        log_id = await persevere(self.ask, report)
        for fold, _ in work:
            if fold.log_id != log_id:
                log.warning("log_replaced", partition=fold.number, was=fold.log_id, now=log_id)
                drop(fold)
        return [each for each in work if each[0].log_id == log_id]
