"""The dead-letter topic: records that can never be applied, with their bytes and the reason."""

from importlib.metadata import version
from typing import Final

from milepost.publisher import Publisher
from milepost_projector.partition import Rejected
from milepost_schemas.dead_letter import DeadLetterFacts, ValueDigest, fact_headers
from milepost_schemas.topics import MAX_DEAD_LETTER_BYTES

MAX_VALUE_BYTES: Final = MAX_DEAD_LETTER_BYTES - 512 * 1024
"""Larger values are named by size and digest: key and headers need room too."""

PROJECTOR_VERSION: Final = version("milepost-projector")


class DeadLetters:
    """Publishes rejected records; at least once, recognisable by their source position."""

    def __init__(self, publisher: Publisher, topic: str, source_topic: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._source_topic = source_topic

    async def publish(self, rejected: Rejected, failed_at_ms: int) -> None:
        """Return once the broker has acknowledged it.

        Raises:
            PublishError: it has not; publishing again does no harm.
        """
        record = rejected.record
        facts = self._facts(rejected, failed_at_ms)
        value = record.value if facts.digest is None else None
        headers = [*record.headers, *fact_headers(facts)]
        await self._publisher.publish((record.key, value, headers), self._topic)

    def _facts(self, rejected: Rejected, failed_at_ms: int) -> DeadLetterFacts:
        value = rejected.record.value or b""
        return DeadLetterFacts(
            reason=rejected.error.reason,
            detail=rejected.error.detail,
            source_topic=self._source_topic,
            source_partition=rejected.partition,
            source_offset=rejected.record.offset,
            projector_version=PROJECTOR_VERSION,
            failed_at_ms=failed_at_ms,
            digest=ValueDigest.of(value) if len(value) > MAX_VALUE_BYTES else None,
        )
