from fractions import Fraction
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from milepost_schemas.document import Document
from milepost_schemas.events import EventData, StepCompleted, StepProgressed, StepStarted
from milepost_schemas.progress import Step, planned_percent
from tests.property.histories import Move, facts, long, play, work

attempt_work = long(facts(work, st.just(1), st.just("org_1")), 20)


class Reference:
    """The percentage by the words of the contract, in exact arithmetic."""

    def __init__(self) -> None:
        self.percent = 0
        self.plan: dict[str, int] = {}
        self.shares: dict[str, Fraction] = {}
        self.totals: dict[str, Fraction] = {}
        self.counts: dict[str, Fraction] = {}

    def hear(self, data: EventData) -> None:
        if isinstance(data, StepCompleted):
            self.shares[data.step] = Fraction(1)
        elif isinstance(data, StepStarted):
            self._units(data.step, None, data.total_units)
            if data.plan and not self.plan:
                for planned in data.plan:
                    self.plan[planned.step] = self.plan.get(planned.step, 0) + planned.weight
        elif isinstance(data, StepProgressed):
            self._units(data.step, data.done_units, data.total_units)
            self._raise(Fraction(data.progress_percent or 0))
        if self.plan:
            done = sum(w * self.shares.get(step, Fraction(0)) for step, w in self.plan.items())
            self._raise(100 * Fraction(done) / sum(self.plan.values()))

    def _raise(self, percent: Fraction) -> None:
        self.percent = max(self.percent, min(floor(percent), 99))

    def _units(self, step: str, done: float | None, total: float | None) -> None:
        largest = max(Fraction(total or 0), self.totals.get(step, Fraction(0)))
        self.totals[step] = largest
        if done is not None:
            self.counts[step] = max(self.counts.get(step, Fraction(0)), Fraction(done))
        if not largest:
            return
        of = Fraction(total) if total else largest
        share = min(Fraction(done or 0) / of, Fraction(1))
        if step not in self.shares:
            share = max(share, min(self.counts.get(step, Fraction(0)) / of, Fraction(1)))
        self.shares[step] = max(share, self.shares.get(step, Fraction(0)))


@given(attempt_work)
@settings(max_examples=300)
def test_the_percentage_is_the_exact_one(history: list[EventData]) -> None:
    reference = Reference()
    for move in play(Move(data) for data in history):
        reference.hear(move.event.data)
        assert move.after.progress_percent == reference.percent


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50), st.integers(1, 50)), min_size=1)
)
def test_any_plan_counts_by_weight(steps: list[tuple[int, int, int]]) -> None:

    document = Document("org_1", "vs_1", "file_1")
    exact = Fraction(0)
    for number, (weight, done, total) in enumerate(steps):
        done_units = min(done, total)
        document.plan.append((str(number), weight))
        document.steps.append(Step(str(number), 0, None, done_units, total))
        exact += weight * Fraction(done_units, total)

    assert planned_percent(document.plan, document.steps) == floor(
        100 * exact / sum(weight for weight, _, _ in steps)
    )
