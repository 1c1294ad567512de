"""What the projector counts and measures, for Prometheus.

Nothing is counted event by event: outcomes come as the sums of a batch, and what a partition stands
at is looked up when somebody asks.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from milepost_projector.partition import Folded, PartitionFold, Rejected
from milepost_projector.progress import Progress, Published, Standing
from milepost_projector.read_model import ReadModelUnavailableError
from milepost_schemas.fold import REJECTED, Outcome

CounterName = Literal[
    "milepost_applied_events_total",
    "milepost_ignored_events_total",
    "milepost_skipped_records_total",
    "milepost_missing_records_total",
    "milepost_dead_letters_total",
    "milepost_published_statuses_total",
    "milepost_takeovers_total",
    "milepost_rewinds_total",
    "milepost_fenced_producers_total",
    "milepost_retries_total",
]
HistogramName = Literal[
    "milepost_batch_records", "milepost_batch_seconds", "milepost_script_seconds"
]

APPLIED: Final[tuple[Outcome, ...]] = ("applied", "sign_of_life", "log_line")
IGNORED: Final = tuple(sorted({*get_args(Outcome)} - {*APPLIED} - REJECTED))
FOREIGN: Final = "foreign"

MAX_SOURCES: Final = 20
"""Publishers choose their `ce_source`, and each one makes series that are never forgotten."""
MAX_SOURCE_LENGTH: Final = 128
OTHER_SOURCES: Final = "other"
NO_SOURCE: Final = "unknown"

COUNTERS: Final[dict[CounterName, tuple[str, tuple[str, ...]]]] = {
    "milepost_applied_events_total": ("Events that changed what Redis holds", ("outcome",)),
    "milepost_ignored_events_total": ("Events that change nothing, by contract", ("reason",)),
    "milepost_skipped_records_total": ("Records that are nobody's business here", ("reason",)),
    "milepost_missing_records_total": ("Records that retention removed unread", ("partition",)),
    "milepost_dead_letters_total": ("Records never to be applied", ("reason", "ce_source")),
    "milepost_published_statuses_total": ("Documents published to the status topic", ()),
    "milepost_takeovers_total": ("Partitions opened from their checkpoint", ()),
    "milepost_rewinds_total": ("Partitions dropped: Redis had another position", ()),
    "milepost_fenced_producers_total": ("Partitions dropped: another owner may publish", ()),
    "milepost_retries_total": ("Calls to be made again: something was away", ("system",)),
}
"""What each counter counts, and its labels."""

BATCH_RECORDS: Final = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

HISTOGRAMS: Final[dict[HistogramName, tuple[str, tuple[float, ...]]]] = {
    "milepost_batch_records": ("Records of a batch", BATCH_RECORDS),
    "milepost_batch_seconds": ("From a folded batch to its acknowledged write", SECONDS),
    "milepost_script_seconds": ("A pipeline of script calls, until Redis answers", SECONDS),
}
"""What each histogram measures, and its buckets."""


class Metrics:
    """The counts of one projector, and through `progress` where it stands.

    Args:
        registry: Where all of it can be read.
        progress: What is known of the partitions.
        clock_ms: The time of day, in ms since 1970.
    """

    def __init__(
        self, registry: CollectorRegistry, progress: Progress, clock_ms: Callable[[], int]
    ) -> None:
        self.progress = progress
        self._clock_ms = clock_ms
        self._sources: set[str] = set()
        self._counters = {
            name: Counter(name, meaning, labels, registry=registry)
            for name, (meaning, labels) in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(name, meaning, buckets=buckets, registry=registry)
            for name, (meaning, buckets) in HISTOGRAMS.items()
        }
        self._announce()

    def opened(self, fold: PartitionFold, publication: Published) -> None:
        """A partition was taken over."""
        self._counters["milepost_takeovers_total"].inc()
        stored, next_offset = fold.checkpoint.encode(), fold.checkpoint.next_offset
        standing = Standing(stored, next_offset, fold.freshness, publication, self._clock_ms())
        self.progress.opened(fold.number, standing)

    def settled(self, folded: Folded) -> None:
        """Redis has acknowledged a partition's part of a batch."""
        for outcome, count in folded.outcomes.items():
            if outcome in APPLIED:
                self._counters["milepost_applied_events_total"].labels(outcome).inc(count)
            elif outcome in IGNORED:
                self._counters["milepost_ignored_events_total"].labels(outcome).inc(count)
            elif outcome == FOREIGN:
                self._counters["milepost_skipped_records_total"].labels(outcome).inc(count)

    def batch(self, parts: Iterable[Folded], seconds: float) -> None:
        """A batch was written; one that only says how fresh Redis is does not count."""
        records = sum(folded.outcomes.total() for folded in parts)
        if records:
            self._histograms["milepost_batch_records"].observe(records)
            self._histograms["milepost_batch_seconds"].observe(seconds)

    def script(self, seconds: float) -> None:
        """Redis has answered the scripts of a batch."""
        self._histograms["milepost_script_seconds"].observe(seconds)

    def dead_lettered(self, rejected: Rejected) -> None:
        """The dead-letter topic has acknowledged a record."""
        series = self._counters["milepost_dead_letters_total"]
        series.labels(rejected.error.reason, self._source_of(rejected)).inc()

    def published(self, statuses: int) -> None:
        """The status topic has acknowledged so many documents."""
        self._counters["milepost_published_statuses_total"].inc(statuses)

    def missing(self, number: int, records: int) -> None:
        """Retention was faster than the projection."""
        self._counters["milepost_missing_records_total"].labels(number).inc(records)

    def lost(self) -> None:
        """A partition is opened anew, because Redis does not hold the position it was given."""
        self._counters["milepost_rewinds_total"].inc()

    def fenced(self) -> None:
        """Another owner publishes the statuses of a partition."""
        self._counters["milepost_fenced_producers_total"].inc()

    def not_now(self, error: Exception) -> None:
        """Redis or Kafka was away, and what was tried will be tried again."""
        system = "redis" if isinstance(error, ReadModelUnavailableError) else "kafka"
        self._counters["milepost_retries_total"].labels(system).inc()
        self.progress.troubled(f"{system}: {error}")

    def _source_of(self, rejected: Rejected) -> str:
        """The record's `ce_source` while there are few of them."""
        source = dict(rejected.record.headers).get("ce_source") or NO_SOURCE.encode()
        name = source.decode(errors="replace")[:MAX_SOURCE_LENGTH]
        if name not in self._sources and len(self._sources) >= MAX_SOURCES:
            return OTHER_SOURCES
        self._sources.add(name)
        return name

    def _announce(self) -> None:
        """Start every series whose labels are known at zero: rates need a first value."""
        known: dict[CounterName, tuple[str, ...]] = {
            "milepost_applied_events_total": APPLIED,
            "milepost_ignored_events_total": IGNORED,
            "milepost_skipped_records_total": (FOREIGN,),
            "milepost_retries_total": ("redis", "kafka"),
        }
        for name, labels in known.items():
            for label in labels:
                self._counters[name].labels(label)
