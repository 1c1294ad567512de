"""The checkpoint of a partition: how far the read model is, and how fresh that is."""

from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

_LENGTH: Final = Struct(">Q").pack


class Checkpoint(NamedTuple):
    """Moved in the same script as the data, so never ahead of it or behind it."""

    next_offset: int
    """Every record below it is in the read model."""
    as_of_ms: int = 0
    """When the log's end was asked for that `next_offset` has reached, in ms since 1970."""
    end_offset: int = 0
    """The end of the log when it was last asked for."""
    recover_to: int = 0
    """While `next_offset` is below, Redis has lost its tail and readers are not answered."""
    fingerprint: str = "-"
    """Offset and digest of the last applied record, `-` before the first."""
    closed_by: str = ""
    """The switch that it was closed for: nobody goes on from it. Empty while it is open."""

    @property
    def is_recovering(self) -> bool:
        return self.next_offset < self.recover_to

    @property
    def lag(self) -> int:
        """Records that the read model is known to be behind."""
        return max(0, self.end_offset - self.next_offset)

    @property
    def is_closed(self) -> bool:
        return bool(self.closed_by)

    def encode(self) -> bytes:
        """One line of five words, and a sixth where it is closed."""
        return " ".join(map(str, self if self.closed_by else self[:-1])).encode()

    @classmethod
    def decode(cls, value: bytes) -> "Checkpoint":
        """The inverse of `encode`; raises ValueError for anything else."""
        next_offset, as_of_ms, end_offset, recover_to, mark, *closed = value.decode().split(" ")
        (closed_by,) = closed or ("",)
        numbers = (int(next_offset), int(as_of_ms), int(end_offset), int(recover_to))
        return cls(*numbers, mark, closed_by)


def fingerprint(offset: int, appended_ms: int, key: bytes | None, value: bytes | None) -> str:
    """What tells a record from any other that could stand at its offset in another log."""
    when, key, value = b"%d" % appended_ms, key or b"", value or b""
    told = b"".join((_LENGTH(len(when)), when, _LENGTH(len(key)), key, _LENGTH(len(value)), value))
    return f"{offset}:{blake2b(told, digest_size=8).hexdigest()}"
