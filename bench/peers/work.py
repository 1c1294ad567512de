"""What every peer does with a record, so that only the way there differs.

Imported by each peer in its own environment: nothing of Milepost's, only msgspec and redis.
A peer keeps the newest status of each file, guarded by the offset against what comes late. None
keeps a checkpoint with the data, dead-letters, or publishes what has changed.
"""

import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

NEWEST_WINS: Final = """#!lua
local known = redis.call('HGET', KEYS[1], 'offset')
if not known or tonumber(known) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'offset', ARGV[1], 'status', ARGV[2],
    'step', ARGV[3], 'units', ARGV[4])
end
return 1
"""

_STATUS: Final = {
    b"milepost.file.registered.v1": "pending",
    b"milepost.processing.completed.v1": "completed",
    b"milepost.processing.failed.v1": "failed",
}


class _Data(msgspec.Struct):
    """The part of an event's data that a status needs."""

    file_id: str
    step: str = ""
    done_units: float = 0


_decoder = msgspec.json.Decoder(_Data)


@dataclass(frozen=True)
class Task:
    """What a peer is told on its command line."""

    brokers: str
    topic: str
    total: int
    redis_url: str
    prefix: str

    @classmethod
    def of_command_line(cls) -> "Task":
        brokers, topic, total, redis_url, prefix = sys.argv[1:]
        return cls(brokers, topic, int(total), redis_url, prefix)

    def key(self, record_key: bytes) -> str:
        return f"{self.prefix}:{record_key.decode()}"


class Meter:
    """Counts records that are written, from the first batch to the last."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._first = self._done = 0
        self._started = 0.0

    def note(self, count: int) -> bool:
        """Take in that so many more are written; whether that was all, and it has been reported."""
        self._done += count
        if not self._first:
            self._first, self._started = self._done, time.perf_counter()
        if self._done < self._total:
            return False
        seconds = time.perf_counter() - self._started
        print(json.dumps({"events_per_s": (self._done - self._first) / seconds}), flush=True)
        return True


def type_of(headers: Any) -> bytes:
    """The CloudEvents type among a record's headers."""
    return next((value for name, value in headers if name == "ce_type"), b"")


def status_of(type_: bytes, value: bytes) -> tuple[str, str, float]:
    """Status, step and units that the event tells."""
    data = _decoder.decode(value)
    return _STATUS.get(type_, "processing"), data.step, data.done_units
