"""The dead-letter topic: records that can never be applied, with their bytes and the reason."""

from hashlib import sha256
from importlib.metadata import version
from typing import Final

from milepost.publisher import Publisher
from milepost_projector.partition import Rejected
from milepost_schemas.times import format_ms
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
        value = record.value
        headers = [*record.headers, *self._reason(rejected, failed_at_ms)]
        if value is not None and len(value) > MAX_VALUE_BYTES:
            headers += [
                ("milepost-value-bytes", str(len(value)).encode()),
                ("milepost-value-sha256", sha256(value).hexdigest().encode()),
            ]
            value = None
        await self._publisher.publish((record.key, value, headers), self._topic)

    def _reason(self, rejected: Rejected, failed_at_ms: int) -> list[tuple[str, bytes]]:
        facts = {
            "milepost-reason": rejected.error.reason,
            "milepost-detail": rejected.error.detail,
            "milepost-source-topic": self._source_topic,
            "milepost-source-partition": str(rejected.partition),
            "milepost-source-offset": str(rejected.record.offset),
            "milepost-projector-version": PROJECTOR_VERSION,
            "milepost-failed-at": format_ms(failed_at_ms),
        }
        return [(name, text.encode()) for name, text in facts.items()]
