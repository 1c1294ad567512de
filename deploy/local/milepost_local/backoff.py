"""How long to wait before a process that died is started again."""


class Backoff:
    """Twice as long after each death, from `first_s` up to `limit_s`.

    A life of `settled_after_s` seconds makes the next death count as the first again.
    """

    def __init__(
        self, *, first_s: float = 0.25, limit_s: float = 30.0, settled_after_s: float = 10.0
    ) -> None:
        self.deaths = 0
        """Deaths in a row, without a settled life between them."""
        self._first_s = first_s
        self._limit_s = limit_s
        self._settled_after_s = settled_after_s

    def after_death(self, lived_s: float) -> float:
        """Notes a death after a life of `lived_s`; returns the seconds to wait."""
        self.deaths = 1 if lived_s >= self._settled_after_s else self.deaths + 1
        # Bounded before the power is taken: nothing limits the number of deaths.
        doublings = min(self.deaths - 1, 32)
        return min(self._first_s * float(1 << doublings), self._limit_s)
