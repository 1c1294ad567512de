"""How far a step is: said by its code at any time, read when it is time to publish."""

from threading import Lock
from typing import NamedTuple

from milepost_schemas.events import MAX_UNITS


class Reading(NamedTuple):
    """All that was said so far; a higher version means that something was said since."""

    version: int = 0
    done_units: float | None = None
    total_units: float | None = None
    progress_percent: float | None = None
    message: str | None = None


class StepProgress:
    """Takes progress from any thread and waits for nothing."""

    def __init__(self, total_units: float | None) -> None:
        self._lock = Lock()
        self._reading = Reading(total_units=_checked("total_units", total_units))

    @property
    def reading(self) -> Reading:
        return self._reading

    def advance(self, units: float, message: str | None) -> None:
        _checked("units", units)
        with self._lock:
            known = self._reading
            done = min((known.done_units or 0) + units, MAX_UNITS)
            self._reading = known._replace(
                version=known.version + 1, done_units=done, message=message or known.message
            )

    def update(self, said: Reading) -> None:
        """Take over what is said; None says nothing."""
        for name in ("done_units", "total_units", "progress_percent"):
            _checked(name, getattr(said, name))
        changes = {name: value for name, value in said._asdict().items() if value is not None}
        with self._lock:
            changes["version"] = self._reading.version + 1
            self._reading = self._reading._replace(**changes)


def _checked(name: str, number: float | None) -> float | None:
    """The number itself; infinities and NaN are out of bounds, too."""
    if number is not None and not 0 <= number <= MAX_UNITS:
        raise ValueError(f"{name} must be between 0 and {MAX_UNITS}, is {number}")
    return number
