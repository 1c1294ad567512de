"""What the service counts and measures, for Prometheus.

Counting is a look into a dictionary, because it is done for every request; the families that
Prometheus reads are made when it asks.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from milepost_query.edge.call import Call

SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)

Gauge = Callable[[], float]


class _Durations:
    """How long the requests of one route took."""

    def __init__(self) -> None:
        self.sum = 0.0
        self.counts = [0] * (len(SECONDS) + 1)

    def buckets(self) -> list[tuple[str, float]]:
        total, found = 0, []
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class RequestMetrics(Collector):
    """The requests of this process by route, method and status; and what the gauges say."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._durations: defaultdict[str, _Durations] = defaultdict(_Durations)
        self._counts: dict[str, tuple[str, str, Mapping[str, int]]] = {}
        self._gauges: dict[str, tuple[str, Gauge]] = {}

    def ended(self, call: Call, method: str) -> None:
        """The answer is out, or its client is gone (status 0 if nothing was sent by then)."""
        self._requests[call.route, method, call.status] += 1
        durations = self._durations[call.route]
        seconds = perf_counter() - call.arrived_at
        durations.sum += seconds
        durations.counts[bisect_left(SECONDS, seconds)] += 1

    def add_counts(self, name: str, meaning: str, label: str, counts: Mapping[str, int]) -> None:
        """Numbers that only rise, one for each value of a label, looked up at each question."""
        self._counts[name] = (meaning, label, counts)

    def add_gauge(self, name: str, meaning: str, gauge: Gauge) -> None:
        """A number as it is, looked up at each question."""
        self._gauges[name] = (meaning, gauge)

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "milepost_http_requests",
            "Requests that have ended; status 0 if the client had gone before the answer",
            labels=("route", "method", "status"),
        )
        for (route, method, status), count in self._requests.items():
            requests.add_metric((route, method, str(status)), count)
        durations = HistogramMetricFamily(
            "milepost_http_request_seconds",
            "From arrival to the end of the answer",
            labels=("route",),
        )
        for route, each in self._durations.items():
            durations.add_metric((route,), each.buckets(), each.sum)
        return (requests, durations, *self._counters(), *self._gauge_families())

    def _counters(self) -> Iterable[Metric]:
        for name, (meaning, label, counts) in self._counts.items():
            family = CounterMetricFamily(name, meaning, labels=(label,))
            for value, count in counts.items():
                family.add_metric((value,), count)
            yield family

    def _gauge_families(self) -> Iterable[Metric]:
        for name, (meaning, gauge) in self._gauges.items():
            yield GaugeMetricFamily(name, meaning, gauge())
