"""Arithmetic of progress: shares of steps, and the percentage of a planned attempt."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from milepost_schemas.events import Units

HIGHEST_UNFINISHED = 99
"""Largest percentage of an attempt that is not completed."""


class Step(msgspec.Struct, array_like=True):
    """What a document keeps of a step; `done_units` of `total_units` is the largest share seen."""

    step: str
    started_at: int
    completed_at: int | None = None
    done_units: int | float | None = None
    total_units: int | float | None = None
    max_silence_s: float | None = None
    largest_total: int | float | None = None
    """Not rendered: what units without a total are a share of."""

    @property
    def is_completed(self) -> bool:
        return self.completed_at is not None


def raise_units(step: Step, done: Units | None, total: Units | None) -> bool:
    """Take over the units if they are a larger share of the step; say whether they were.

    A total of 0 counts as unknown. Units without a total are a share of the largest total that
    the step was ever given, so that repeating an event never raises the share again. A step that
    is done in units unknown in number only counts them.
    """
    known = step.total_units
    if known and known == step.largest_total and (total is None or total == known):
        # One total all along, as for nearly every event: the units alone decide.
        return _raise_count(step, known if done is not None and done > known else done)
    if not total:
        total = step.largest_total
        if total is None:
            return _raise_count(step, done)
    elif step.largest_total is None or total > step.largest_total:
        step.largest_total = total
    done = min(done or 0, total)
    if known:
        if not _is_larger(done, total, step.done_units or 0, known):
            return False
    elif step.is_completed:
        done = total
    else:
        done = max(done, min(step.done_units or 0, total))
    step.done_units, step.total_units = done, total
    return True


def _is_larger(done: Units, total: Units, other_done: Units, other_total: Units) -> bool:
    if total == other_total:
        return done > other_done
    left, right = done * other_total, other_done * total
    # Products of whole numbers are exact; products of floats decide unless rounding could.
    is_exact = isinstance(left, int) and isinstance(right, int)
    if is_exact or abs(left - right) > 1e-9 * right:
        return left > right
    return Fraction(done) * Fraction(other_total) > Fraction(other_done) * Fraction(total)


def _raise_count(step: Step, done: Units | None) -> bool:
    if done is None or (step.done_units is not None and done <= step.done_units):
        return False
    step.done_units = done
    return True


def planned_percent(plan: Sequence[tuple[str, int]], started: Sequence[Step]) -> int:
    """The planned steps' shares by weight, as a percentage rounded down.

    Whole numbers all the way: rounding never decides, and they are quicker than fractions.
    """
    steps = {step.step: step for step in started}
    done, scale, weights = 0, 1, 0
    for name, weight in plan:
        weights += weight
        step = steps.get(name)
        if step is None:
            continue
        if step.completed_at is not None:
            done += weight * scale
        elif step.total_units:
            units, total = _whole(step.done_units or 0, step.total_units)
            done = done * total + weight * units * scale
            scale *= total
    return 100 * done // (scale * weights)


def _whole(done: Units, total: Units) -> tuple[int, int]:
    if isinstance(done, int) and isinstance(total, int):
        return done, total
    return (Fraction(done) / Fraction(total)).as_integer_ratio()
