"""What the projector stands at, looked up whenever Prometheus asks."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from milepost_projector.progress import Progress, Standing

Value = Callable[[Standing, int], float]
"""A number of a partition at a time of day, in ms since 1970."""


def _as_of_age_s(standing: Standing, now_ms: int) -> float:
    return max(0, now_ms - standing.as_of_ms()) / 1000


def _lag_s(standing: Standing, now_ms: int) -> float:
    return _as_of_age_s(standing, now_ms) if standing.lag else 0.0


OF_PARTITIONS: Final[dict[str, tuple[str, Value]]] = {
    "milepost_lag_records": (
        "Records between the checkpoint and the end of the log",
        lambda standing, _: standing.lag,
    ),
    "milepost_lag_seconds": ("Since Redis last knew everything; 0 at the end of the log", _lag_s),
    "milepost_as_of_age_seconds": ("Since the time that Redis is as of", _as_of_age_s),
    "milepost_unpublished_records": (
        "Records between the published position and the checkpoint",
        lambda standing, _: standing.unpublished,
    ),
}


class Gauges(Collector):
    """Asks for the standings of the partitions that are open now.

    Args:
        progress: What is known of the partitions.
        rebuilds: How many consumers were found dead and replaced so far.
        clock_ms: The time of day, in ms since 1970.
    """

    def __init__(
        self, progress: Progress, rebuilds: Callable[[], int], clock_ms: Callable[[], int]
    ) -> None:
        self._progress = progress
        self._rebuilds = rebuilds
        self._clock_ms = clock_ms

    def collect(self) -> Iterator[Metric]:
        yield from self._of_partitions()
        yield from self._of_all()
        yield CounterMetricFamily(
            "milepost_rebuilt_consumers_total",
            "Kafka clients that were found dead and replaced",
            self._rebuilds(),
        )

    def _of_partitions(self) -> Iterator[Metric]:
        now_ms = self._clock_ms()
        standings = self._progress.standings
        for name, (meaning, value) in OF_PARTITIONS.items():
            family = GaugeMetricFamily(name, meaning, labels=["partition"])
            for number, standing in standings.items():
                family.add_metric([str(number)], value(standing, now_ms))
            yield family

    def _of_all(self) -> Iterator[Metric]:
        progress = self._progress
        standings = progress.standings.values()
        recovering = sum(standing.is_recovering for standing in standings)
        refused = len(progress.refused.keys() & {*progress.owned})
        unready = len(progress.obstacles())
        for name, meaning, number in (
            ("milepost_owned_partitions", "Partitions of this member", len(progress.owned)),
            ("milepost_unready_partitions", "Own partitions without progress", unready),
            ("milepost_recovering_partitions", "Own partitions that lost their tail", recovering),
            ("milepost_refused_partitions", "Own partitions with another log", refused),
        ):
            yield GaugeMetricFamily(name, meaning, number)
