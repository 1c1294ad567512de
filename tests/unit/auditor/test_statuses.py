from milepost_auditor.differences import Findings
from milepost_auditor.partition_fold import PartitionFold
from milepost_auditor.statuses import StatusComparison
from milepost_schemas.status_record import encode_status, status_headers
from milepost_schemas.topics import PARTITIONS
from tests.unit.auditor.records import KEY, NUMBER, Given, folded, progressed

LOG = (progressed(0, 10), progressed(1, 20), progressed(2, 30))


def published(*records: Given, generation: int = 1) -> Given:
    """What the status topic says of the file after these events."""
    document = folded(*records).files[KEY].document
    headers = status_headers(document, generation)
    return Given(99, (KEY, encode_status(document), headers))


def compared(
    *statuses: Given, published_to: int, log: tuple[Given, ...] = LOG, generation: int = 1
) -> list[str]:
    """The details of the differences, when the published position is the given one."""
    findings = Findings()
    comparison = StatusComparison(NUMBER, generation, statuses, findings)
    fold = PartitionFold(NUMBER, PARTITIONS)
    fold.fold(log[:published_to])
    comparison.judge(fold, published_to)
    for record in log[published_to:]:
        fold.fold([record])
        comparison.judge_ahead(record.offset(), fold)
    comparison.judge_unreached(len(log))
    assert comparison.ahead == {}
    assert all(one.kind == "status_record" for one in findings.differences)
    return [one.detail for one in findings.differences]


def test_the_newest_record_has_to_say_what_was_true_at_the_published_position() -> None:
    assert compared(published(*LOG), published_to=3) == []
    assert compared(published(*LOG[:2]), published_to=2) == []


def test_of_several_records_the_last_counts() -> None:
    older = published(*LOG[:1])
    assert compared(older, published(*LOG), published_to=3) == []
    assert compared(published(*LOG), older, published_to=3) == [
        "made by the event at 0, not by the one at 2"
    ]


def test_a_record_may_be_ahead_of_the_published_position_but_not_behind_it() -> None:
    assert compared(published(*LOG[:2]), published_to=1) == []
    assert compared(published(*LOG), published_to=1) == []
    assert compared(published(*LOG[:1]), published_to=2) == [
        "made by the event at 0, not by the one at 1"
    ]


def test_a_record_that_is_ahead_has_to_be_true_when_its_event_has_come() -> None:
    document = folded(*LOG[:2]).files[KEY].document
    document.status = "completed"
    lie = Given(99, (KEY, encode_status(document), status_headers(document, 1)))
    assert compared(lie, published_to=1) == ["the value differs"]


def test_a_file_without_a_record_is_found() -> None:
    assert compared(published_to=1) == ["missing"]
    assert compared(published_to=0) == []


def test_a_record_that_no_event_made_is_found() -> None:
    assert compared(published(*LOG), published_to=3, log=LOG[:0]) == [
        "the log knows no such file at the published position"
    ]
    assert compared(published(*LOG), published_to=1, log=LOG[:2]) == [
        "made by an event at 2, but the log ends at 2"
    ]


def test_a_record_of_an_earlier_generation_counts_only_above_the_published_position() -> None:
    old = published(*LOG, generation=1)
    assert compared(old, published_to=0, generation=2) == []
    assert compared(old, published_to=3, generation=2) == ["of generation 1, not 2"]


def test_a_record_that_is_none_is_found() -> None:
    for value in (b"{}", b"no JSON", None):
        record = Given(99, (KEY, value, ()))
        assert compared(record, published_to=3) == ["not a status record"]
