from collections import Counter
from collections.abc import Callable
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from milepost.errors import KafkaUnavailableError
from milepost_projector.metrics import APPLIED, FOREIGN, IGNORED, MAX_SOURCES, Metrics
from milepost_projector.partition import Folded, Rejected
from milepost_projector.read_model import ReadModelUnavailableError
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import InvalidReason, InvalidRecordError
from milepost_schemas.fold import REJECTED, Outcome
from tests.unit.projector.log import PlainRecord, a_fold, folded, log, logged, progressed
from tests.unit.projector.observed import (
    OPENED_AT_MS,
    Assignment,
    Clock,
    PublishedUpTo,
    a_progress,
    a_registry,
    a_standing,
    some_metrics,
    written,
)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return some_metrics(registry)


def rejected(source: bytes | None = b"/ocr", reason: InvalidReason = "invalid_data") -> Rejected:
    headers = () if source is None else (("ce_source", source),)
    record = PlainRecord(0, 0, b"vs_1/file_1", b"{}", headers)
    return Rejected(record, 0, InvalidRecordError(reason, "it is wrong"))


def test_every_outcome_is_applied_ignored_or_rejected() -> None:
    assert {*APPLIED, *IGNORED, *REJECTED} == {*get_args(Outcome)}
    assert len(APPLIED) + len(IGNORED) + len(REJECTED) == len(get_args(Outcome))
    assert {*get_args(InvalidReason), FOREIGN}.isdisjoint({*APPLIED, *IGNORED})


def test_the_outcomes_of_a_batch_are_counted_by_what_became_of_the_records(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    records = log(progressed(1, 10), progressed(1, 10), logged(1), progressed(1, 20))
    metrics.settled(folded(a_fold(), records, 4, 1))
    metrics.settled(Folded(outcomes=a_count(foreign=3, late_attempt=2, invalid_data=1)))
    value = registry.get_sample_value
    assert value("milepost_applied_events_total", {"outcome": "applied"}) == 2
    assert value("milepost_applied_events_total", {"outcome": "log_line"}) == 1
    assert value("milepost_ignored_events_total", {"reason": "late_attempt"}) == 2
    assert value("milepost_skipped_records_total", {"reason": "foreign"}) == 3
    assert counted(registry, "milepost_applied_events") == 4
    assert counted(registry, "milepost_ignored_events") == 2


def test_dead_letters_are_counted_by_reason_and_source(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for each in (rejected(), rejected(), rejected(reason="too_large"), rejected(source=None)):
        metrics.dead_lettered(each)
    count = dead_letters(registry)
    assert count("/ocr", "invalid_data") == 2
    assert count("/ocr", "too_large") == 1
    assert count("unknown", "invalid_data") == 1


def test_a_publisher_cannot_make_series_without_end(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for number in range(10 * MAX_SOURCES):
        metrics.dead_lettered(rejected(b"/source/%d" % number))
    metrics.dead_lettered(rejected(b"/source/0"))
    metrics.dead_lettered(rejected(b"\xff" * 2_000))
    count = dead_letters(registry)
    assert count("/source/0", "invalid_data") == 2
    assert count("other", "invalid_data") == 9 * MAX_SOURCES + 1
    assert len(samples(registry, "milepost_dead_letters")) == MAX_SOURCES + 1


def test_a_source_that_is_no_text_is_a_label_of_bounded_length(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics.dead_lettered(rejected(b"\xff" * 2_000))
    assert dead_letters(registry)("�" * 128, "invalid_data") == 1


def test_a_batch_is_measured_in_records_and_seconds(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    parts = [Folded(outcomes=a_count(applied=300)), Folded(outcomes=a_count(foreign=4))]
    metrics.batch(parts, 0.25)
    metrics.script(0.125)
    value = registry.get_sample_value
    assert value("milepost_batch_records_sum") == 304
    assert value("milepost_batch_records_count") == 1
    assert value("milepost_batch_seconds_sum") == 0.25
    assert value("milepost_script_seconds_sum") == 0.125


def test_a_batch_without_records_is_none(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.batch([Folded()], 0.25)
    assert registry.get_sample_value("milepost_batch_records_count") == 0
    assert registry.get_sample_value("milepost_batch_seconds_count") == 0


def test_what_is_tried_again_is_counted_by_what_was_away(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics.not_now(ReadModelUnavailableError("gone"))
    metrics.not_now(KafkaUnavailableError("gone"))
    metrics.not_now(KafkaUnavailableError("gone"))
    assert registry.get_sample_value("milepost_retries_total", {"system": "redis"}) == 1
    assert registry.get_sample_value("milepost_retries_total", {"system": "kafka"}) == 2


def test_a_partition_is_as_far_behind_as_redis_is_behind_the_log() -> None:
    progress = a_progress(Assignment(opened=frozenset({3})), Clock())
    progress.opened(3, a_standing(Checkpoint(0), end_offset=40, published=PublishedUpTo(4)))
    progress.settled(3, written(Checkpoint(10, as_of_ms=OPENED_AT_MS + 500, recover_to=20)))
    registry = a_registry(progress, now_ms=OPENED_AT_MS + 3_000)
    gauge = of_partition(registry)
    assert gauge("milepost_lag_records") == 30
    assert gauge("milepost_lag_seconds") == 2.5
    assert gauge("milepost_as_of_age_seconds") == 2.5
    assert gauge("milepost_unpublished_records") == 6
    assert registry.get_sample_value("milepost_recovering_partitions") == 1


def test_a_partition_at_the_end_of_the_log_has_no_lag_whatever_its_age() -> None:
    progress = a_progress(Assignment(opened=frozenset({3})), Clock())
    progress.opened(3, a_standing(Checkpoint(7, OPENED_AT_MS), end_offset=7))
    gauge = of_partition(a_registry(progress, now_ms=OPENED_AT_MS + 3_000))
    assert gauge("milepost_lag_records") == 0
    assert gauge("milepost_lag_seconds") == 0
    assert gauge("milepost_as_of_age_seconds") == 3


def test_a_read_model_that_never_knew_everything_lags_since_its_partition_was_opened() -> None:
    progress = a_progress(Assignment(opened=frozenset({3})), Clock())
    progress.opened(3, a_standing(Checkpoint(0), end_offset=7))
    gauge = of_partition(a_registry(progress, now_ms=OPENED_AT_MS + 3_000))
    assert gauge("milepost_lag_seconds") == 3


def test_partitions_are_counted_by_their_condition() -> None:
    assignment = Assignment(opened=frozenset({3}), pending=frozenset({4, 5}))
    progress = a_progress(assignment, Clock())
    progress.opened(3, a_standing(Checkpoint(0), end_offset=7))
    progress.settled(3, written(Checkpoint(1)))
    progress.refused |= {5: "another log", 9: "another log, but not this member's any more"}
    value = a_registry(progress, rebuilds=2).get_sample_value
    assert value("milepost_owned_partitions") == 3
    assert value("milepost_unready_partitions") == 2
    assert value("milepost_refused_partitions") == 1
    assert value("milepost_recovering_partitions") == 0
    assert value("milepost_rebuilt_consumers_total") == 2


def a_count(**outcomes: int) -> Counter[str]:
    return Counter(outcomes)


def samples(registry: CollectorRegistry, family: str) -> list[float]:
    """The values of all series of a counter."""
    return [
        sample.value
        for metric in registry.collect()
        if metric.name == family
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]


def counted(registry: CollectorRegistry, family: str) -> float:
    return sum(samples(registry, family))


def dead_letters(registry: CollectorRegistry) -> Callable[[str, str], float | None]:
    return lambda source, reason: registry.get_sample_value(
        "milepost_dead_letters_total", {"ce_source": source, "reason": reason}
    )


def of_partition(registry: CollectorRegistry) -> Callable[[str], float | None]:
    return lambda name: registry.get_sample_value(name, {"partition": "3"})
