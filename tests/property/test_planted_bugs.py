"""Each bug is one that somebody could write; the state machine finds every one of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from milepost_projector import opener, opening
from milepost_projector import partition as projection
from milepost_projector.opener import Opener
from milepost_projector.opening import Opening
from milepost_projector.partition import Folded, PartitionFold
from milepost_projector.projector import Projector
from milepost_projector.publication import Publication
from milepost_projector.publications import Publications
from milepost_projector.read_model import NO_CHECKPOINT, ReadModelUnavailableError
from milepost_projector.slices import Slice
from milepost_projector.switch import SwitchWatch
from milepost_query.freshness import Freshness, Partition
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.keys import PartitionKeys
from tests.fixtures.protocol.memory_clients import MemoryStatusClient
from tests.fixtures.protocol.memory_read_model import APPLY, PUBLISH, UNLINK, MemoryReadModel
from tests.property.protocol_machine import Protocol, Rebuilding, budget

MOST: Final = 400
"""Examples within which each bug is found; mostly it takes a few dozen."""

Plant = Callable[[pytest.MonkeyPatch], None]

pytestmark = pytest.mark.usefixtures("small_sizes")


def without(script: str, condition: str, instead: str) -> str:
    assert condition in script
    return script.replace(condition, instead)


def no_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    script = without(APPLY, "stored ~= ARGV[1] or stored == ARGV[2]", "stored == ARGV[2]")
    patch.setattr(MemoryReadModel, "apply_script", script)


def published_before_the_transaction(patch: pytest.MonkeyPatch) -> None:
    async def advance_first(self: Publication) -> int:
        documents, reached = await self._take()
        await self._advance(reached)
        if documents:
            await self._means.topic.publish(self._partition, documents)
        return len(documents)

    patch.setattr(Publication, "_publish", advance_first)


def published_above_applied(patch: pytest.MonkeyPatch) -> None:
    script = without(PUBLISH, "tonumber(ARGV[2]) >", "false and tonumber(ARGV[2]) >")
    patch.setattr(MemoryReadModel, "publish_script", script)
    reading = Publication._read

    async def read(self: Publication, applied: int) -> Any:
        documents, _ = await reading(self, applied)
        return documents, self.published + 2

    patch.setattr(Publication, "_read", read)


def positions_before_the_fence(patch: pytest.MonkeyPatch) -> None:
    fence, publish = MemoryStatusClient.fence, MemoryStatusClient.publish

    async def no_fence(self: MemoryStatusClient, partition: int) -> None:
        self._epochs.pop(partition, None)

    async def fence_late(
        self: MemoryStatusClient, partition: projection.Partition, documents: Sequence[Document]
    ) -> None:
        if partition.number not in self._epochs:
            await fence(self, partition.number)
        await publish(self, partition, documents)

    patch.setattr(MemoryStatusClient, "fence", no_fence)
    patch.setattr(MemoryStatusClient, "publish", fence_late)


def as_of_without_the_script(patch: pytest.MonkeyPatch) -> None:
    write = MemoryReadModel.write

    async def write_blindly(
        self: MemoryReadModel, slices: Sequence[Slice], keys: Sequence[PartitionKeys]
    ) -> list[bytes]:
        if len(slices) != 1 or slices[0].records:
            return await write(self, slices, keys)
        (only,), name = slices, keys[0].checkpoint.encode()

        def refresh() -> bytes:
            stored = Checkpoint.decode(self._redis.store.get(name, only.checkpoint))
            as_of_ms = Checkpoint.decode(only.checkpoint).as_of_ms
            value = stored._replace(as_of_ms=as_of_ms).encode()
            self._redis.store[name] = value
            return value

        await self._call("write", refresh)
        return [only.checkpoint]

    patch.setattr(MemoryReadModel, "write", write_blindly)


def as_of_without_a_question(patch: pytest.MonkeyPatch) -> None:
    async def ask_nobody(self: Projector) -> None:
        for fold in self._folds.values():
            fold.freshness.learn(self._clock_ms(), fold.checkpoint.next_offset)

    patch.setattr(Projector, "_ask_ends", ask_nobody)


def commit_of_what_is_applied(patch: pytest.MonkeyPatch) -> None:
    def committable(self: Publications) -> dict[int, int]:
        return {number: publication._applied for number, (publication, _) in self._running.items()}

    patch.setattr(Publications, "committable", committable)


def documents_outlive_a_lost_write(patch: pytest.MonkeyPatch) -> None:
    settle = Projector._settle

    def settle_anyway(self: Projector, fold: PartitionFold, folded: Folded, stored: bytes) -> None:
        if stored in (NO_CHECKPOINT, folded.slices[-1].checkpoint):
            settle(self, fold, folded, stored)
            return
        fold.checkpoint, fold._possible = Checkpoint.decode(stored), [stored]

    patch.setattr(Projector, "_settle", settle_anyway)


def dead_letters_after_the_checkpoint(patch: pytest.MonkeyPatch) -> None:
    write = Projector._write

    async def write_first(self: Projector, work: Sequence[tuple[PartitionFold, Folded]]) -> None:
        rejected = [one for _, folded in work for one in folded.rejected]
        for _, folded in work:
            folded.rejected = []
        await write(self, work)
        for one in rejected:
            await self._dead_letter(one)

    patch.setattr(Projector, "_write", write_first)


def no_recovery(patch: pytest.MonkeyPatch) -> None:
    def decide(*arguments: Any) -> Opening:
        decided = opening.decide(*arguments)
        return Opening(decided.checkpoint._replace(recover_to=0), decided.missing)

    patch.setattr(opener, "decide", decide)


def publishing_while_recovering(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Publication, "is_held", property(lambda _: False))


def repeated_on_whatever_is_stored(patch: pytest.MonkeyPatch) -> None:
    async def write_slices(
        self: Projector, slices: Sequence[Slice], keys: Mapping[int, PartitionKeys]
    ) -> list[bytes]:
        each = [keys[slice_.partition] for slice_ in slices]
        try:
            return await self._read_model.write(slices, each)
        except ReadModelUnavailableError:
            stored = await self._read_model.checkpoint(each[0])
            first = Slice(
                slices[0].partition,
                stored,
                slices[0].checkpoint,
                slices[0].next_offset,
                slices[0].records,
                slices[0].commands,
            )
            return await self._read_model.write([first, *slices[1:]], each)

    patch.setattr(Projector, "_write_slices", write_slices)


def fencing_without_asking(patch: pytest.MonkeyPatch) -> None:
    async def always(*_: object) -> bool:
        return True

    patch.setattr(Opener, "_still_own", always)


def unwritten_documents_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    forget = PartitionFold.forget
    patch.setattr(PartitionFold, "forget", lambda self, limit, _: forget(self, limit, 1 << 60))


def statuses_of_a_failed_transaction_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    publish = Publication._publish

    async def publish_once(self: Publication) -> int:
        try:
            return await publish(self)
        except Exception:
            self._pending = {}
            raise

    patch.setattr(Publication, "_publish", publish_once)


def fetched_for_another_opening(patch: pytest.MonkeyPatch) -> None:
    fold = Projector._fold
    patch.setattr(Projector, "_fold", lambda self, fetched, _: fold(self, fetched, self._folds))


def from_the_groups_offset(patch: pytest.MonkeyPatch) -> None:
    def decide(stored: Checkpoint | None, log: opening.LogBounds) -> Opening:
        decided = opening.decide(stored, log)
        next_offset = max(decided.checkpoint.next_offset, log.committed or 0)
        return Opening(decided.checkpoint._replace(next_offset=next_offset))

    patch.setattr(opener, "decide", decide)


def believing_a_redis_that_went_forward(patch: pytest.MonkeyPatch) -> None:
    published = MemoryReadModel.published
    publication = Opener._publication

    async def open_at_what_is_stored(
        self: Opener, partition: projection.Partition, bounds: opening.LogBounds, at: Checkpoint
    ) -> Publication | None:
        stored = await published(self._read_model, partition.keys)  # type: ignore[arg-type]
        opened = await publication(self, partition, replace(bounds, committed=stored), at)
        if opened is not None:
            opened.committed = bounds.committed or 0
        return opened

    patch.setattr(Opener, "_publication", open_at_what_is_stored)


def readers_without_a_memory(patch: pytest.MonkeyPatch) -> None:
    judge = Partition._judge

    def forget(self: Partition, value: bytes | None) -> Freshness:
        self._highest.next_offset = 0
        return judge(self, value)

    patch.setattr(Partition, "_judge", forget)


def opening_during_a_switch(patch: pytest.MonkeyPatch) -> None:
    async def never(_: SwitchWatch) -> bool:
        return False

    patch.setattr(SwitchWatch, "is_under_way", never)


def removing_whatever_is_live(patch: pytest.MonkeyPatch) -> None:
    script = without(UNLINK, "kept == live", "true")
    patch.setattr(MemoryReadModel, "unlink_script", script)


def generation_without_the_groups_notes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opener, "newest_generation", lambda _: 0)


PLANTS: Sequence[Plant] = (
    no_compare_and_set,
    published_before_the_transaction,
    published_above_applied,
    positions_before_the_fence,
    as_of_without_the_script,
    as_of_without_a_question,
    commit_of_what_is_applied,
    documents_outlive_a_lost_write,
    dead_letters_after_the_checkpoint,
    no_recovery,
    publishing_while_recovering,
    repeated_on_whatever_is_stored,
    fencing_without_asking,
    unwritten_documents_are_forgotten,
    statuses_of_a_failed_transaction_are_forgotten,
    fetched_for_another_opening,
    from_the_groups_offset,
    believing_a_redis_that_went_forward,
    readers_without_a_memory,
)


OF_THE_SWITCH: Sequence[Plant] = (
    opening_during_a_switch,
    generation_without_the_groups_notes,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert_it_is_found(Protocol)


@pytest.mark.parametrize("plant", OF_THE_SWITCH, ids=lambda plant: plant.__name__)
def test_a_planted_bug_of_the_switch_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert_it_is_found(Rebuilding)


@pytest.mark.parametrize("is_planted", [False, True])
def test_a_removal_that_does_not_look_at_what_is_live_is_found_where_redis_goes_back(
    monkeypatch: pytest.MonkeyPatch, *, is_planted: bool
) -> None:
    """Random examples come upon it too seldom to rely on."""
    if is_planted:
        removing_whatever_is_live(monkeypatch)
    machine = Rebuilding()
    bursts = [("progressed", 0, 0, 1), ("progressed", 0, 1, 2)]
    machine.begin(owners=1, published=bursts, until=("batch", 1))
    machine.a_reader_looks()
    machine.its_state_is_remembered()
    machine.rebuild(go_on=False, published=[], until=("unlink", 0))
    machine.a_reader_looks()
    machine.its_state_is_remembered()
    machine.assign(owners=[0, 0], learning=set())
    machine.a_reader_looks()
    machine.its_state_is_remembered()
    with pytest.raises(AssertionError) if is_planted else nullcontext():
        try:
            machine.lose_the_tail_for_a_while(snapshot=1, turns=2)
        finally:
            machine.teardown()


def assert_it_is_found(machine: type[Protocol]) -> None:
    first = settings(budget(machine, MOST), phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=first)
