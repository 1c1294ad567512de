"""Waves of files without an end, in bounded memory."""

import hashlib
import threading
from array import array
from collections import defaultdict
from itertools import count
from typing import Any

from milepost_schemas.events import EventData, FileDeleted
from milepost_schemas.identity import file_key
from tests.fixtures.workload import Publishing, histories, shuffled

WAVE = 100
"""Files that are at work at once."""
SPREAD = 8
"""Every eighth file is watched by readers."""
PAUSE_S = 0.002
IDLE_S = 0.05
RESTS_WITHIN_S = 130.0


def digest(key: bytes | None, value: bytes | None) -> int:
    """Names a record's content in 64 bits, never 0."""
    content = hashlib.blake2b((key or b"") + b"\0" + (value or b""), digest_size=8).digest()
    return int.from_bytes(content) | 1


class EndlessLoad(Publishing):
    """Publishes until told to stop; `pause` returns once all that was begun is acknowledged.

    Of a record only a digest is kept, of files only those that are watched.
    """

    def __init__(self, bootstrap_servers: str, topic: str, seed: int) -> None:
        super().__init__(bootstrap_servers, topic)
        self.digests: dict[int, array[int]] = defaultdict(lambda: array("Q"))
        """What was acknowledged in each partition, by offset; 0 where nothing was."""
        self.known: set[str] = set()
        """Watched files of which something was acknowledged."""
        self.files: dict[str, str] = {}
        """Watched files, also some that are still unheard of, and their organizations."""
        self.deleted: set[str] = set()
        """Watched files that are deleted some time."""
        self._seed = seed
        self._stopping = threading.Event()
        self._pausing = threading.Event()
        self._idle = threading.Event()
        self._following = self._wave(0)

    def run(self) -> None:
        """Publish from a thread of its own."""
        for number in count(1):
            lives, self._following = self._following, self._wave(number)
            for record in shuffled(lives, self._seed + number):
                if self._stopping.wait(PAUSE_S):
                    self.flush()
                    return
                if self._pausing.is_set():
                    self._rest()
                self.publish(record)

    def stop(self) -> None:
        self._stopping.set()

    def pause(self) -> None:
        """Return once nothing is on its way; blocks.

        Raises:
            TimeoutError: Kafka does not take what was begun.
        """
        self._idle.clear()
        self._pausing.set()
        if not self._idle.wait(RESTS_WITHIN_S):
            raise TimeoutError("the load is not acknowledged")

    def resume(self) -> None:
        self._pausing.clear()

    def _rest(self) -> None:
        self.flush()
        self._idle.set()
        while self._pausing.is_set() and not self._stopping.wait(IDLE_S):
            pass

    def _wave(self, number: int) -> list[list[EventData]]:
        lives = histories(WAVE, self._seed + number, first=number * WAVE)
        for life in lives[::SPREAD]:
            key = file_key(life[0].store_id, life[0].file_id)
            self.files[key] = life[0].organization_id
            if any(isinstance(fact, FileDeleted) for fact in life):
                self.deleted.add(key)
        return lives

    def _delivered(self, error: object, message: Any) -> None:
        super()._delivered(error, message)
        digests, offset = self.digests[message.partition()], message.offset()
        digests.extend([0] * (offset + 1 - len(digests)))
        digests[offset] = digest(message.key(), message.value())
        name = message.key().decode(errors="replace")
        if name in self.files:
            self.known.add(name)
