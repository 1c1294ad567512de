from collections.abc import Callable
from math import ceil
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from milepost_schemas.codec import EncodedRecord
from tests.fixtures.protocol.memory_rebuild import RebuildInMemory
from tests.fixtures.protocol.memory_redis import Store
from tests.fixtures.protocol.network import Call
from tests.fixtures.protocol.owner import Owner
from tests.fixtures.protocol.records import ODD_KINDS, record_of
from tests.fixtures.protocol.world import FILES, PARTITIONS, PAUSE_S, World

OWNERS: Final = 3
REBUILDS: Final = 2
STEPS: Final = 50
STEPS_OF_A_REBUILD: Final = 15
"""Fewer: the rebuild has its course behind it by then, mostly."""
EXAMPLES: Final = 150
ROUND: Final = 1_000
"""Examples between which Hypothesis forgets what it has played; its memory grows with them."""

numbers = st.integers(0, 7)
kinds = st.sampled_from(["progressed"] * 6 + [*ODD_KINDS, "repeated"])

Fate = Callable[[World, Call], None]


def answered(world: World, call: Call) -> None:
    world.step(call)


def unanswered_yet(world: World, call: Call) -> None:
    world.arrive(call)


def answer_lost(world: World, call: Call) -> None:
    while call.effects:
        world.arrive(call)
    world.lose(call, is_adrift=False)


def refused(world: World, call: Call) -> None:
    world.lose(call, is_adrift=False)


def adrift(world: World, call: Call) -> None:
    world.lose(call, is_adrift=True)


names: Final = st.sampled_from(
    ["write", "slices", "load", "publish", "advance", "commit", "ends", "fetch", "dead_letter"] * 2
    + ["notes", "meta", "committed", "fence", "beginnings", "checkpoint", "published"]
)
"""Of the calls of an owner; `slices` is a write of several. Those of an opening come seldom."""
fates: Final = st.sampled_from([unanswered_yet, answer_lost, refused, adrift])
orders: Final = st.sampled_from([3, 8, 20]).flatmap(
    lambda count: st.lists(st.sampled_from([0, 0, 0, 1, 1, 2]), min_size=count, max_size=count)
)


Burst = tuple[str, int, int, int]
"""Kind, partition, file, and how many records of the sort."""
bursts: Final = st.lists(st.tuples(kinds, numbers, numbers, st.integers(1, 4)), max_size=2)


milestones: Final = st.sampled_from(
    [("batch", 1), ("swap", 1), ("write", 4), ("swap", 2), ("unlink", 0), ("unlink", 0)]
)
"""Of a rebuild: before which of its calls of a name it stands still."""
MOST_TURNS: Final = 150


class Protocol(RuleBasedStateMachine):
    """Anything may happen between any two calls of an owner."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.snapshots: list[Store] = [{}, {}]
        self.fates: dict[str, Fate] = {}
        """What happens to the next call of a name."""
        self.sent: list[list[EncodedRecord]] = [[] for _ in range(PARTITIONS)]

    @initialize(owners=st.integers(1, 2), published=bursts)
    def begin(self, owners: int, published: list[Burst]) -> None:
        self.publish(published)
        for _ in range(owners):
            self.world.start()
        self.assign([n % owners for n in range(PARTITIONS)], {*range(owners)})

    @rule(published=bursts, turns=st.sampled_from([10, 30, 60]))
    def work(self, published: list[Burst], turns: int) -> None:
        """Let all owners go on, turn by turn; one whose call has another fate pauses there."""
        self.publish(published)
        going = self.world.actors
        for _ in range(turns):
            going = [actor for actor in going if self._go_on(actor)]

    @rule(
        published=bursts,
        turns=st.sampled_from([10, 30, 60]),
        disturbed=st.lists(st.tuples(names, fates), min_size=1, max_size=3),
    )
    def work_disturbed(
        self, published: list[Burst], turns: int, disturbed: list[tuple[str, Fate]]
    ) -> None:
        """The next call of each of some names has another fate than an answer."""
        self.fates.update(disturbed)
        self.work(published, turns)

    @rule(owner=numbers, published=bursts, turns=orders)
    def work_out_of_order(self, owner: int, published: list[Burst], turns: list[int]) -> None:
        """Let one owner go on alone while its calls overtake each other."""
        self.publish(published)
        if (chosen := self._owner(owner)) is not None:
            for turn in turns:
                if not self._go_on(chosen, turn):
                    return

    def publish(self, published: list[Burst]) -> None:
        for kind, partition, file, count in published:
            number = partition % PARTITIONS
            for _ in range(count):
                record = self._record(kind, number, file)
                self.sent[number].append(record)
                self.world.append(number, record)

    @rule(call=numbers, arrives=st.booleans())
    def end_what_is_adrift(self, call: int, *, arrives: bool) -> None:
        if adrift := self.world.network.adrift:
            chosen = adrift[call % len(adrift)]
            if arrives:
                self.world.arrive(chosen)
            else:
                self.world.network.drop(chosen)

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.6, 6.0, 20.0]))
    def sleep(self, seconds: float) -> None:
        self.world.sleep(seconds)

    @rule(owner=numbers, what=st.sampled_from(["start", "start", "crash", "stop"]))
    def come_or_go(self, owner: int, what: str) -> None:
        chosen = self._owner(owner)
        if what == "start" or chosen is None:
            if len(self.world.owners) < OWNERS:
                self.world.start()
        elif what == "crash":
            self.world.crash(chosen)
        else:
            chosen.stopping.set()
            self.world.sleep(0)

    @rule(
        owners=st.lists(numbers, min_size=PARTITIONS, max_size=PARTITIONS),
        learning=st.sets(st.integers(0, OWNERS - 1)),
    )
    def assign(self, owners: list[int], learning: set[int]) -> None:
        """Let the group decide anew, and some owners hear of it right away."""
        chosen = [self._owner(number) for number in owners]
        self.world.assign(
            {number: owner.number for number, owner in enumerate(chosen) if owner is not None}
        )
        for number, owner in enumerate([*self.world.owners]):
            if number in learning:
                self.world.learn(owner)

    @rule(owner=numbers)
    def learn(self, owner: int) -> None:
        if (chosen := self._owner(owner)) is not None:
            self.world.learn(chosen)

    @rule(snapshot=numbers)
    def lose_the_tail(self, snapshot: int) -> None:
        """Put what Redis held before one of the last rules in the place of what it holds."""
        found = max(0, len(self.snapshots) - 2 - snapshot) if snapshot < 7 else 0
        self.world.redis.restore(self.snapshots[found])

    @rule(snapshot=numbers, turns=st.integers(0, 40))
    def lose_the_tail_for_a_while(self, snapshot: int, turns: int) -> None:
        """Redis goes back, and before long forward again to what it had lost."""
        newest = self.world.redis.snapshot()
        self.lose_the_tail(snapshot)
        self.work([], turns)
        self.world.redis.restore(newest)

    @invariant()
    def a_reader_looks(self) -> None:
        self.world.reader.look(self.world.loop)

    @invariant()
    def its_state_is_remembered(self) -> None:
        self.snapshots.append(self.world.redis.snapshot())

    def teardown(self) -> None:
        try:
            self.world.come_to_rest()
        finally:
            self.world.close()

    def _owner(self, number: int) -> Owner | None:
        owners = self.world.owners
        return owners[number % len(owners)] if owners else None

    def _go_on(self, owner: Owner | RebuildInMemory, turn: int = 0) -> bool:
        """Let one call of an owner happen, or time pass; False if that was the end of its work."""
        calls = self.world.network.waited_for(owner.number)
        if not calls:
            self.world.sleep(PAUSE_S)
        else:
            call = calls[turn % len(calls)]
            fate = self.fates.pop(_name(call), answered) if call.effects else answered
            fate(self.world, call)
            if fate is not answered:
                return False
        return owner in self.world.actors

    def _record(self, kind: str, partition: int, file: int) -> EncodedRecord:
        offset = len(self.sent[partition])
        if kind == "repeated" and self.sent[partition]:
            return self.sent[partition][file % offset]
        where = 1 - partition if kind == "misplaced" else partition
        name = FILES[where][file % len(FILES[0])]
        return record_of(kind, name, offset)


class Rebuilding(Protocol):
    """As `Protocol`, of a world in which rebuilds are under way."""

    @initialize(owners=st.integers(1, 2), published=bursts, until=milestones)
    def begin(self, owners: int, published: list[Burst], until: tuple[str, int]) -> None:
        super().begin(owners, published)
        self.work([], 60)
        self.before = self.world.redis.snapshot()
        self.rebuild([], until, go_on=False)

    @rule(published=bursts, until=milestones, go_on=st.booleans())
    def rebuild(self, published: list[Burst], until: tuple[str, int], *, go_on: bool) -> None:
        """Begin a rebuild, or go on with one, alone, up to some point of its course."""
        self.publish(published)
        rebuilds = self.world.rebuilds
        is_there = bool(rebuilds) and (go_on or len(rebuilds) == REBUILDS)
        going = rebuilds[0] if is_there else self.world.rebuild()
        name, count = until
        for _ in range(MOST_TURNS):
            if any(call.name == name for call in self.world.network.waited_for(going.number)):
                count -= 1
            if count < 0 or not self._go_on(going):
                return

    @rule(
        name=st.sampled_from(["swap", "swap", "unlink", "batch", "scan", "values", "get"]),
        fate=fates,
    )
    def disturb_a_rebuild(self, name: str, fate: Fate) -> None:
        self.fates[name] = fate

    @rule(rebuild=numbers)
    def crash_a_rebuild(self, rebuild: int) -> None:
        if rebuilds := self.world.rebuilds:
            self.world.crash(rebuilds[rebuild % len(rebuilds)])

    @rule()
    def lose_what_was_rebuilt(self) -> None:
        """Redis goes back behind the first rebuild."""
        self.world.redis.restore(self.before)


def _name(call: Call) -> str:
    return "slices" if call.name == "write" and len(call.effects) > 1 else call.name


def check_protocol() -> None:
    """Play as many examples as the profile asks for; without one, always the same few."""
    wanted = max(settings().max_examples, EXAMPLES)
    for machine, share in ((Protocol, 2), (Rebuilding, 1)):
        examples = share * wanted // 3
        for _ in range(ceil(examples / ROUND)):
            few = budget(machine, min(examples, ROUND))
            run_state_machine_as_test(
                machine, settings=settings(few, derandomize=wanted == EXAMPLES)
            )


def budget(machine: type[Protocol], examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        stateful_step_count=STEPS_OF_A_REBUILD if machine is Rebuilding else STEPS,
        suppress_health_check=[HealthCheck.too_slow],
    )
