"""Events that keep coming while something breaks."""

import threading
from typing import Any

from milepost_schemas.events import FileDeleted
from milepost_schemas.identity import file_key
from tests.fixtures.workload import Publishing, histories, shuffled

WAVE = 100
"""Files that are at work at once."""
FILES = 20 * WAVE
"""More than any test waits for."""
PAUSE_S = 0.002
"""Between two events: under load, but not so much that the machine is all that is tested."""


class Load(Publishing):
    """Waves of files, each mixed, with repetitions and poison, published until told to stop."""

    def __init__(self, bootstrap_servers: str, topic: str, seed: int) -> None:
        super().__init__(bootstrap_servers, topic)
        self.values: dict[tuple[int, int], bytes] = {}
        """What was acknowledged, by partition and offset."""
        self.known: set[str] = set()
        """Keys of the files of which something was acknowledged."""
        self._seed = seed
        self._lives = histories(FILES, seed)
        self._stopping = threading.Event()
        self.files = {
            file_key(life[0].store_id, life[0].file_id): life[0].organization_id
            for life in self._lives
        }
        """The key of each file, and its organization."""
        self.deleted = {
            file_key(fact.store_id, fact.file_id)
            for life in self._lives
            for fact in life
            if isinstance(fact, FileDeleted)
        }

    def run(self) -> None:
        """Publish from a thread of its own; return once all that was begun is acknowledged."""
        for start in range(0, FILES, WAVE):
            for record in shuffled(self._lives[start : start + WAVE], self._seed):
                if self._stopping.wait(PAUSE_S):
                    break
                self.publish(record)
        self.flush()

    def stop(self) -> None:
        self._stopping.set()

    def _delivered(self, error: object, message: Any) -> None:
        super()._delivered(error, message)
        self.values[message.partition(), message.offset()] = message.value()
        self.known.add(message.key().decode(errors="replace"))
