"""Several things of several partitions, each partition as it was at one of its checkpoints."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from milepost_primaries.snapshot_reads import Command, Snapshot, SnapshotError, SnapshotReads
from milepost_query.freshness import Freshness, combined
from milepost_query.layout import Layout
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import NotReadyError

Q = TypeVar("Q")

_LAYOUT_READS: Final = 3
"""Reads that may find that the generation has just been switched."""

Commands = Callable[[Layout], Mapping[int, Sequence[Command]]]
"""What to ask which partition of a layout."""
Names = Callable[[Layout], Mapping[int, Sequence[str]]]
"""Whose values to get of which partition of a layout: names of strings."""


class Answer(NamedTuple):
    """What the partitions that were asked hold."""

    layout: Layout
    by_partition: dict[int, list[Any]]
    """The answers to each partition's commands, or the values of its names."""
    seen: Sequence[Freshness]
    """Of each partition."""

    @property
    def freshness(self) -> Freshness:
        """Of all of them: the oldest as-of, and all that they are known to be behind."""
        return combined(self.seen)


class Snapshots:
    """Reads documents, indexes and counts; never of a partition that is not answered from."""

    def __init__(self, read_model: ReadModel, reads: SnapshotReads) -> None:
        """`reads` has connections of its own: statuses do not wait behind what is read here."""
        self._read_model = read_model
        self._reads = reads
        self._meta = read_model.keys.meta

    async def read(self, commands: Commands) -> Answer:
        """The answers of all partitions that are asked.

        Raises:
            NotReadyError: one of them cannot be answered from, or all as `ReadModel.read` says.
        """
        return await self._answered(commands, self._run)

    async def values(self, names: Names) -> Answer:
        """As `read`, for the values of strings."""
        return await self._answered(names, self._get)

    async def _answered(
        self,
        question: Callable[[Layout], Mapping[int, Sequence[Q]]],
        ask: Callable[[Layout, Mapping[int, Sequence[Q]]], Awaitable[Snapshot]],
    ) -> Answer:
        self._read_model.require_sound()
        for _ in range(_LAYOUT_READS):
            layout = self._read_model.layout
            if layout is None:
                await self._snapshot(self._reads.values([], last=self._meta))
                continue
            asked = question(layout)
            current, groups = await self._snapshot(ask(layout, asked))
            if current is layout:
                return _answer(layout, dict(zip(asked, groups, strict=True)))
        raise NotReadyError("the generation changes")

    def _run(self, layout: Layout, asked: Mapping[int, Sequence[Command]]) -> Awaitable[Snapshot]:
        groups = [
            [("GET", layout.partitions[number].checkpoint_key), *of] for number, of in asked.items()
        ]
        return self._reads.read(groups, last=self._meta)

    def _get(self, layout: Layout, asked: Mapping[int, Sequence[str]]) -> Awaitable[Snapshot]:
        groups = [[layout.partitions[number].checkpoint_key, *of] for number, of in asked.items()]
        return self._reads.values(groups, last=self._meta)

    async def _snapshot(
        self, read: Awaitable[Snapshot]
    ) -> tuple[Layout, Sequence[list[Any] | None]]:
        """What was read, and the layout of the metadata that were read after it."""
        try:
            snapshot = await read
        except (SnapshotError, TimeoutError) as error:
            raise NotReadyError("Redis does not answer") from error
        return self._read_model.current_layout(snapshot.last), snapshot.groups


def _answer(layout: Layout, answers: Mapping[int, list[Any] | None]) -> Answer:
    by_partition: dict[int, list[Any]] = {}
    freshness: list[Freshness] = []
    for number, answer in answers.items():
        if answer is None:
            raise NotReadyError("unreachable")
        checkpoint, *by_partition[number] = answer
        judged = layout.partitions[number].observe(checkpoint)
        if judged.obstacle is not None:
            raise NotReadyError(judged.obstacle)
        freshness.append(judged)
    return Answer(layout, by_partition, freshness)
