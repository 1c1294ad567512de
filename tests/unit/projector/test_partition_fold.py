from itertools import pairwise

import pytest

from milepost_projector.partition import SLICE_WEIGHT, Partition, PartitionFold
from milepost_projector.slices import Slice
from milepost_schemas.checkpoint import Checkpoint, fingerprint
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.events import MAX_STEPS, FileRegistered, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from tests.unit.projector.log import (
    KEYS,
    PlainRecord,
    a_fold,
    documents,
    fact,
    file_name,
    folded,
    log,
    logged,
    progressed,
    touched,
)


def checkpoint_of(slice_: Slice) -> Checkpoint:
    return Checkpoint.decode(slice_.checkpoint)


def mark(record: PlainRecord) -> str:
    return fingerprint(record.offset, record.timestamp, record.key, record.value)


def test_a_batch_becomes_one_slice_that_moves_the_checkpoint_past_it() -> None:
    records = log(progressed(1, 10), progressed(1, 20), progressed(2, 30))
    fold = a_fold()
    (only,) = folded(fold, records, 3, batch=1).slices
    assert only.expected == Checkpoint(0).encode()
    assert checkpoint_of(only) == Checkpoint(3, fingerprint=mark(records[-1]))
    assert (only.partition, only.next_offset) == (0, 3)


def test_a_file_is_written_once_as_it_is_at_the_end_of_the_slice() -> None:
    fold = a_fold()
    (only,) = folded(fold, log(progressed(1, 10), progressed(1, 20)), 2, batch=1).slices
    name, value = only.records
    assert name == KEYS.file("vs_1/file_1").encode()
    assert (decode_record(value).progress_percent, decode_record(value).revision) == (20, 2)


def test_slices_are_cut_by_the_files_they_touch() -> None:
    count = 2 * SLICE_WEIGHT + 1
    records = log(*(progressed(number, 10) for number in range(count)))
    slices = folded(a_fold(), records, count, batch=1).slices
    assert [slice_.next_offset for slice_ in slices] == [SLICE_WEIGHT, 2 * SLICE_WEIGHT, count]
    assert [len(slice_.records) for slice_ in slices] == [2 * SLICE_WEIGHT, 2 * SLICE_WEIGHT, 2]


def test_slices_are_cut_by_their_log_lines() -> None:
    records = log(progressed(), *(logged() for _ in range(SLICE_WEIGHT)))
    slices = folded(a_fold(), records, len(records), batch=1).slices
    assert [slice_.next_offset for slice_ in slices] == [SLICE_WEIGHT, SLICE_WEIGHT + 1]


def test_many_events_of_one_file_are_one_slice() -> None:
    records = log(*(progressed(1, percent) for percent in range(90) for _ in range(20)))
    assert len(folded(a_fold(), records, len(records), batch=1).slices) == 1


def test_each_slice_expects_what_the_one_before_it_leaves() -> None:
    count = 3 * SLICE_WEIGHT
    fold = a_fold(Checkpoint(5, 1_000, 7, 0, "4:ab"))
    records = log(*(progressed(number, 10) for number in range(count)), first=5)
    slices = folded(fold, records[: count // 2], 5 + count // 2, batch=1).slices
    slices += folded(fold, records[count // 2 :], 5 + count, batch=2).slices
    assert slices[0].expected == Checkpoint(5, 1_000, 7, 0, "4:ab").encode()
    for before, after in pairwise(slices):
        assert after.expected == before.checkpoint
    assert fold.checkpoint == checkpoint_of(slices[-1])


def test_each_slice_is_marked_with_its_own_last_record() -> None:
    records = log(*(progressed(number, 10) for number in range(SLICE_WEIGHT + 1)))
    slices = folded(a_fold(), records, len(records), batch=1).slices
    marks = [checkpoint_of(slice_).fingerprint for slice_ in slices]
    assert marks == [mark(records[SLICE_WEIGHT - 1]), mark(records[-1])]


def test_offsets_without_records_are_passed_at_the_end_of_a_batch() -> None:
    (only,) = folded(a_fold(), log(progressed()), 4, batch=1).slices
    assert only.next_offset == 4


def test_records_that_change_nothing_still_move_the_checkpoint() -> None:
    foreign = EncodedRecord(b"k", b"{}", [("ce_type", b"com.example.other")])
    came_to = folded(a_fold(), log(foreign), 1, batch=1)
    (only,) = came_to.slices
    assert (only.next_offset, only.records, only.commands) == (1, [], [])
    assert came_to.outcomes == {"foreign": 1}


def test_a_batch_without_records_is_no_slice() -> None:
    came_to = folded(a_fold(Checkpoint(9)), [], 9, batch=1)
    assert (came_to.slices, came_to.rejected) == ([], [])


def test_rejected_records_come_with_their_reason_and_do_not_stop_the_others() -> None:
    records = log(
        EncodedRecord(b"vs_1/file_1", b"no JSON", [("ce_type", b"milepost.step.started.v1")]),
        EncodedRecord(b"vs_1/file_1", b"{}", [("ce_type", b"milepost.step.startet.v1")]),
        EncodedRecord(b"vs_1/file_1", b"{}", []),
        progressed(1, 10),
        progressed(1, 90, organization_id="org_2"),
    )
    came_to = folded(a_fold(), records, 5, batch=1)
    rejected = [(each.record, each.partition, each.error.reason) for each in came_to.rejected]
    assert rejected == [
        (records[0], 0, "malformed_data"),
        (records[1], 0, "unknown_type"),
        (records[2], 0, "not_a_cloudevent"),
        (records[4], 0, "wrong_organization"),
    ]
    (only,) = came_to.slices
    assert decode_record(only.records[1]).progress_percent == 10
    assert only.next_offset == 5


def test_a_file_of_another_partition_is_rejected_with_the_setting_to_change() -> None:
    fold = PartitionFold(Partition(0, 1, Keys().partition(1, 0)), 12, Checkpoint(0))
    stray = next(n for n in range(100) if folded(fold, log(progressed(n)), 1, batch=1).rejected)
    (rejected,) = folded(fold, log(progressed(stray)), 2, batch=2).rejected
    assert rejected.error.reason == "wrong_partition"
    assert "partitioner=murmur2_random" in rejected.error.detail


@pytest.mark.parametrize("known", [False, True], ids=["unknown file", "known file"])
def test_a_key_that_is_not_its_files_is_rejected(*, known: bool) -> None:
    fold = a_fold()
    if known:
        folded(fold, log(progressed(1)), 1, batch=1)
    other = log(progressed(2), first=1)[0]
    (rejected,) = folded(fold, [other._replace(key=file_name(1))], 2, batch=2).rejected
    assert rejected.error.reason == "key_mismatch"


def test_a_step_too_many_is_rejected() -> None:
    steps = [fact(StepProgressed, step=f"step {number}") for number in range(MAX_STEPS + 1)]
    records = log(*steps)
    (rejected,) = folded(a_fold(), records, len(records), batch=1).rejected
    assert (rejected.record, rejected.error.reason) == (records[-1], "too_many_steps")


def test_outcomes_are_counted() -> None:
    registered = fact(FileRegistered, name="a.md", size_bytes=1, mime_type="text/markdown")
    records = log(registered, progressed(1, 10), progressed(1, 10), logged())
    came_to = folded(a_fold(), records, 4, batch=1)
    assert came_to.outcomes == {"applied": 2, "sign_of_life": 1, "log_line": 1}


def test_what_is_gathered_is_files_and_lines_and_dead_letters_until_it_is_cut() -> None:
    fold = a_fold()
    poison = EncodedRecord(b"vs_1/file_1", b"{", [])
    records = log(progressed(1, 10), progressed(1, 20), logged(1), logged(2), poison)
    fold.fold(records)
    assert fold.gathered == 2 + 2 + 1
    fold.cut(len(records), batch=1)
    assert fold.gathered == 0


def test_what_closed_slices_hold_is_gathered_too() -> None:
    fold = a_fold()
    fold.fold(log(*(logged() for _ in range(2 * SLICE_WEIGHT))))
    assert fold.gathered >= 2 * SLICE_WEIGHT


def test_only_files_that_are_not_in_memory_are_asked_for() -> None:
    fold = a_fold()
    folded(fold, log(progressed(1)), 1, batch=1)
    keyless = PlainRecord(3, 0, None, b"{}")
    records = [*log(progressed(1), progressed(2), progressed(2), first=1), keyless]
    assert fold.unknown(records) == [file_name(2)]


def test_the_fold_starts_from_the_documents_that_were_read() -> None:
    fold = a_fold(Checkpoint(7))
    fold.know(documents(range(1, 2)))
    (only,) = folded(fold, log(progressed(1, 10), first=7), 8, batch=1).slices
    assert decode_record(only.records[1]).revision == 2


def test_documents_that_are_not_written_yet_are_never_forgotten() -> None:
    fold = a_fold()
    folded(fold, log(*(progressed(number) for number in range(10))), 10, batch=1)
    folded(fold, log(*(progressed(number) for number in range(10, 15)), first=10), 15, batch=2)
    fold.forget(0, written_batch=1)
    records = log(*(progressed(number) for number in range(15)))
    assert set(fold.unknown(records)) == {file_name(number) for number in range(10)}


def test_the_documents_that_changed_least_recently_are_forgotten_first() -> None:
    fold = a_fold()
    folded(fold, log(*(progressed(number, 1) for number in range(10))), 10, batch=1)
    folded(fold, log(progressed(0, 2), first=10), 11, batch=2)
    fold.forget(3, written_batch=2)
    records = log(*(progressed(number) for number in range(10)))
    remembered = {file_name(number) for number in range(10)} - set(fold.unknown(records))
    assert remembered == {file_name(8), file_name(9), file_name(0)}


def test_within_the_limit_nothing_is_forgotten() -> None:
    fold = a_fold()
    fold.know(documents(range(10)))
    fold.forget(10, written_batch=1)
    assert fold.unknown(log(*(progressed(number) for number in range(10)))) == []


def test_a_forgotten_file_goes_on_from_what_is_stored() -> None:
    fold = a_fold()
    (first,) = folded(fold, log(progressed(1, 10)), 1, batch=1).slices
    fold.forget(0, written_batch=1)
    fold.know({file_name(1): decode_record(first.records[1])})
    (second,) = folded(fold, log(progressed(1, 20), first=1), 2, batch=2).slices
    assert decode_record(second.records[1]).revision == 2
    assert not [command for command in second.commands if command[0] == "COUNT"]


def test_a_partition_at_rest_is_touched_when_it_is_known_to_be_fresher() -> None:
    fold = a_fold(Checkpoint(9, 100, 9, 0, "8:ab"))
    fold.freshness.learn(200, 9)
    touch = touched(fold, 9)
    assert touch is not None
    assert checkpoint_of(touch) == Checkpoint(9, 200, 9, 0, "8:ab")
    assert (touch.records, touch.commands) == ((), ())


def test_a_partition_at_rest_that_is_as_fresh_as_before_is_left_alone() -> None:
    fold = a_fold(Checkpoint(9, 100, 9, 0, "8:ab"))
    fold.freshness.learn(100, 9)
    assert touched(fold, 9) is None


def test_a_partition_that_is_behind_says_by_how_much_but_claims_no_freshness() -> None:
    fold = a_fold(Checkpoint(9, 100, 9, 0, "8:ab"))
    fold.freshness.learn(200, 12)
    touch = touched(fold, 9)
    assert touch is not None
    assert checkpoint_of(touch) == Checkpoint(9, 100, 12, 0, "8:ab")


def test_a_touch_passes_offsets_without_records_and_never_goes_back() -> None:
    fold = a_fold(Checkpoint(9, fingerprint="8:ab"))
    passing = touched(fold, 11)
    assert passing is not None
    assert checkpoint_of(passing) == Checkpoint(11, fingerprint="8:ab")
    assert touched(fold, 10) is None


def test_a_touch_takes_its_place_in_the_chain() -> None:
    fold = a_fold()
    (first,) = folded(fold, log(progressed(1)), 1, batch=1).slices
    fold.freshness.learn(200, 1)
    touch = touched(fold, 1)
    assert touch is not None
    (last,) = folded(fold, log(progressed(1, 5), first=1), 2, batch=3).slices
    assert (touch.expected, last.expected) == (first.checkpoint, touch.checkpoint)


def test_a_recovery_is_carried_on_until_it_is_over() -> None:
    fold = a_fold(Checkpoint(0, recover_to=2))
    slices = folded(fold, log(progressed(1)), 1, batch=1).slices
    slices += folded(fold, log(progressed(1), first=1), 2, batch=2).slices
    assert [checkpoint_of(slice_).is_recovering for slice_ in slices] == [True, False]


def test_the_stored_checkpoint_may_be_any_that_unacknowledged_writes_leave() -> None:
    fold = a_fold()
    slices = [
        folded(fold, log(progressed(1, at), first=at), at + 1, batch=at).slices[0]
        for at in (0, 1, 2)
    ]
    assert fold.expects(Checkpoint(0).encode())
    assert all(fold.expects(slice_.checkpoint) for slice_ in slices)
    assert not fold.expects(b"-")
    assert not fold.expects(Checkpoint(1).encode())


def test_once_a_write_is_acknowledged_an_older_checkpoint_means_a_lost_tail() -> None:
    fold = a_fold()
    first, second, third = (
        folded(fold, log(progressed(1, at), first=at), at + 1, batch=at).slices[0]
        for at in (0, 1, 2)
    )
    fold.acknowledge(second.checkpoint)
    assert not fold.expects(Checkpoint(0).encode())
    assert not fold.expects(first.checkpoint)
    assert fold.expects(second.checkpoint)
    assert fold.expects(third.checkpoint)
