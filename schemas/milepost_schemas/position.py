"""Where a record of the log stands, as a client carries it from a write to its next read."""

import re
from typing import Final, NamedTuple

from milepost_schemas.topics import EVENTS

HEADER: Final = "Milepost-Position"
LOG_VERSION: Final = int(EVENTS.name.rpartition(".v")[2])
"""Which log: another version of the topic has other partitions and other offsets."""

POSITION_PATTERN: Final = "([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,18})"

_FORM: Final = re.compile(POSITION_PATTERN)


class Position(NamedTuple):
    """`<version of the log>:<partition>:<offset>`, as in `1:7:1042`."""

    partition: int
    offset: int
    version: int = LOG_VERSION

    def encode(self) -> str:
        return f"{self.version}:{self.partition}:{self.offset}"

    @classmethod
    def decode(cls, text: str) -> "Position":
        """The inverse of `encode`; raises ValueError for anything else."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("a position is <version>:<partition>:<offset>")
        version, partition, offset = map(int, found.groups())
        return cls(partition, offset, version)
