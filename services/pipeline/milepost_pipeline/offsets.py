"""How far each partition may be committed while work on its records goes on out of order."""

from collections import defaultdict


class Offsets:
    """Per partition: which records are in hand, and how far the log was read."""

    def __init__(self) -> None:
        # Records come in the order of their offsets, so a dict's first key is the oldest.
        self._in_hand: dict[int, dict[int, None]] = defaultdict(dict)
        self._positions: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def open(self, partition: int, offset: int) -> None:
        """Begin a partition where the group has committed it."""
        self._in_hand[partition].clear()
        self._positions[partition] = self._committed[partition] = offset

    def take(self, partition: int, offset: int) -> None:
        self._in_hand[partition][offset] = None

    def finish(self, partition: int, offset: int) -> None:
        self._in_hand[partition].pop(offset, None)

    def read_to(self, partition: int, position: int) -> None:
        """Say that every record below the position was taken or needs no work."""
        self._positions[partition] = position

    def committable(self) -> dict[int, int]:
        """Return the offset of the oldest unfinished record where that has moved."""
        reached = {
            partition: next(iter(self._in_hand[partition]), position)
            for partition, position in self._positions.items()
        }
        return {
            partition: offset
            for partition, offset in reached.items()
            if offset != self._committed[partition]
        }

    def committed(self, offsets: dict[int, int]) -> None:
        self._committed.update(offsets)
