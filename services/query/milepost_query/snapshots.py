"""Several things of several partitions, each partition as it was at one of its checkpoints."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from milepost_primaries.snapshot_reads import Command, SnapshotError, SnapshotReads
from milepost_query.freshness import Freshness, combined
from milepost_query.layout import Layout
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import NotReadyError

ANSWERED_WITHIN_S: Final = 1.0
"""For one read, a second try included."""

_LAYOUT_READS: Final = 3
"""Reads that may find that the generation has just been switched."""

Question = Callable[[Layout], Mapping[int, Sequence[Command]]]
"""What to ask which partition of a layout."""


class Answer(NamedTuple):
    """What the partitions that were asked hold."""

    layout: Layout
    by_partition: dict[int, list[Any]]
    """The answers to each partition's commands."""
    freshness: Freshness
    """Of all of them: the oldest as-of, and all that they are known to be behind."""


class Snapshots:
    """Reads documents, indexes and counts; never of a partition that is not answered from."""

    def __init__(self, read_model: ReadModel, reads: SnapshotReads) -> None:
        """`reads` has connections of its own: statuses do not wait behind what is read here."""
        self._read_model = read_model
        self._reads = reads

    async def read(self, question: Question) -> Answer:
        """The answers of all partitions that the question is for.

        Raises:
            NotReadyError: one of them cannot be answered from, or all as `ReadModel.read` says.
        """
        self._read_model.require_sound()
        for _ in range(_LAYOUT_READS):
            layout = self._read_model.layout
            if layout is None:
                await self._ask(())
                continue
            asked = question(layout)
            groups = [_with_checkpoint(layout, number, of) for number, of in asked.items()]
            current, answers = await self._ask(groups)
            if current is layout:
                return _answer(layout, dict(zip(asked, answers, strict=True)))
        raise NotReadyError("the generation changes")

    async def _ask(
        self, groups: Sequence[Sequence[Command]]
    ) -> tuple[Layout, Sequence[list[Any] | None]]:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                snapshot = await self._reads.read(groups, last=self._read_model.keys.meta)
        except (SnapshotError, TimeoutError) as error:
            raise NotReadyError("Redis does not answer") from error
        return self._read_model.current_layout(snapshot.last), snapshot.groups


def _with_checkpoint(layout: Layout, number: int, commands: Sequence[Command]) -> list[Command]:
    return [["GET", layout.partitions[number].checkpoint_key], *commands]


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
    return Answer(layout, by_partition, combined(freshness))
