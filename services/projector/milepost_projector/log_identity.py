"""Which log stands behind the topic's name: one that is deleted and made anew is another."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from milepost.connection import KafkaSettings
from milepost.errors import ConsumerError, KafkaUnavailableError
from milepost_projector.outages import Report, persevere
from milepost_projector.partition import Folded, PartitionFold

ANSWER_TIMEOUT_S: Final = 5.0
FRESH_S: Final = 1.0
"""How long an answer is relied on: no log is replaced and outgrown by its successor as fast."""

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

    Consumers fetch by name and do not notice when the log behind it is replaced by a longer one.
    The question is repeated beside the work: a write waits for it only after a standstill.
    """

    def __init__(self, connection: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._options: dict[str, str | int | float | bool] = {
            **connection.librdkafka_options(),
            **_OPTIONS,
        }
        self._client = AdminClient(self._options)
        self._known = ""
        self._asked_at = -FRESH_S

    async def refresh(self) -> None:
        """Ask, for those who rely on the last answer."""
        await self.ask()

    async def ask(self) -> str:
        """The id of the log that is there now.

        Raises:
            KafkaUnavailableError: Kafka does not answer, or has no such topic at the moment.
            ConsumerError: it refuses to.
        """
        asked_at = monotonic()
        names = TopicCollection([self._topic])
        asked = self._client.describe_topics(names, request_timeout=ANSWER_TIMEOUT_S)
        try:
            described = await asyncio.wrap_future(asked[self._topic])
        except KafkaException as error:
            reason = f"describe {self._topic}: {error.args[0]}"
            if error.args[0].code() in _REFUSALS:
                raise ConsumerError(reason) from error
            # A client goes on waiting for the controller that it knew, though another broker is it.
            self._client = AdminClient(self._options)
            raise KafkaUnavailableError(reason) from error
        self._known, self._asked_at = str(described.topic_id), asked_at
        return self._known

    async def sift(self, work: Work, drop: Callable[[PartitionFold], None], report: Report) -> Work:
        """The work that may be written; partitions that were opened on another log are dropped.

        After a standstill, of this process or of Kafka, the question comes first. While Kafka
        cannot say, nothing is written.
        """
        log_id = self._known
        if monotonic() - self._asked_at > FRESH_S:
            log_id = await persevere(self.ask, report)
        for fold, _ in work:
            if fold.log_id != log_id:
                log.warning("log_replaced", partition=fold.number, was=fold.log_id, now=log_id)
                drop(fold)
        return [each for each in work if each[0].log_id == log_id]
