from milepost_auditor.partition_fold import PartitionFold
from milepost_schemas.checkpoint import fingerprint
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.topics import PARTITIONS
from tests.unit.auditor.records import KEY, NUMBER, Given, folded, poison, progressed


def test_every_record_is_counted_once_by_what_became_of_it() -> None:
    foreign = Given(3, EncodedRecord(KEY, b"{}", [("ce_type", b"com.example.other")]))
    fold = folded(
        progressed(0, 10),
        progressed(1, 50, organization_id="org_2"),
        poison(2),
        foreign,
        progressed(4, 5),
    )
    assert fold.outcomes == {
        "applied": 1,
        "wrong_organization": 1,
        "malformed_data": 1,
        "foreign": 1,
        "sign_of_life": 1,
    }
    assert [(each.record.offset(), each.reason) for each in fold.rejections] == [
        (1, "wrong_organization"),
        (2, "malformed_data"),
    ]


def test_a_file_carries_the_offset_of_the_last_event_that_changed_what_is_stored_of_it() -> None:
    fold = folded(progressed(0, 10), progressed(1, 5), progressed(2, 50, organization_id="org_2"))
    assert fold.files[KEY].offset == 1
    assert fold.files[KEY].document.offset == 0


def test_a_record_in_a_partition_that_is_not_its_keys_is_rejected() -> None:
    fold = PartitionFold((NUMBER + 1) % PARTITIONS, PARTITIONS)
    fold.fold([progressed(0, 10)])
    assert fold.outcomes == {"wrong_partition": 1}
    assert fold.files == {}


def test_the_mark_is_that_of_the_newest_record_even_if_that_has_no_value() -> None:
    last = Given(7, (KEY, None, ()))
    fold = folded(progressed(0, 10), last)
    assert fold.mark() == fingerprint(7, last.appended_ms, KEY, None)
    assert folded().mark() == "-"
