"""The topics, their settings, and which partition a file belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import unpack_from

PARTITIONS = 12
"""Partitions of each topic. A topic never gets more in place: keys would move."""

MAX_EVENT_BYTES = 64 * 1024
"""Largest value of an event, in bytes."""

MAX_DEAD_LETTER_BYTES = 4 * 1024 * 1024
"""Largest dead letter, headers included, in bytes; records of the log are at most 1 MiB."""

_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic as it must exist on the brokers; `configs` use Kafka's own names."""

    name: str
    partitions: int
    configs: Mapping[str, str]


EVENTS = Topic(
    name="milepost.events.v1",
    partitions=PARTITIONS,
    configs={
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "message.timestamp.type": "LogAppendTime",
    },
)
"""The log: every event of every file."""

STATUS = Topic(
    name="milepost.status.v1",
    partitions=PARTITIONS,
    configs={"cleanup.policy": "compact"},
)
"""The newest document of each file."""

DEAD_LETTER = Topic(
    name="milepost.dead-letter.v1",
    partitions=PARTITIONS,
    configs={
        "cleanup.policy": "delete",
        "retention.ms": str(30 * _DAY_MS),
        "max.message.bytes": str(MAX_DEAD_LETTER_BYTES),
    },
)
"""Records of the log that no projector can apply, with the reason."""

TOPICS = (EVENTS, STATUS, DEAD_LETTER)

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 hash, as the signed 32-bit integer that the Java client computes."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for word in unpack_from(f"<{whole >> 2}I", data):
        k = word * _M & _MASK
        h = (h * _M ^ (k ^ k >> 24) * _M) & _MASK
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    h ^= h >> 15
    return h - 0x1_0000_0000 if h & 0x8000_0000 else h


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a record key, by the rule of the Java client's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
