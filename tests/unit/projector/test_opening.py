import pytest

from milepost_projector.opening import (
    LogBounds,
    WrongLogError,
    decide,
    marked_offset,
    newest_generation,
    verify,
)
from milepost_schemas.checkpoint import Checkpoint, fingerprint
from tests.unit.projector.log import PlainRecord

APPLIED = PlainRecord(41, 1_700_000_000_000, b"vs_1/file_1", b"{}")
MARK = fingerprint(APPLIED.offset, APPLIED.timestamp, APPLIED.key, APPLIED.value)


def bounds(*, beginning: int = 0, end: int = 100, committed: int | None = None) -> LogBounds:
    return LogBounds(beginning, end, committed)


def test_an_empty_read_model_begins_where_the_log_begins() -> None:
    opening = decide(None, bounds())
    assert (opening.checkpoint, opening.missing) == (Checkpoint(0), 0)


def test_a_stored_checkpoint_is_gone_on_from_unchanged() -> None:
    stored = Checkpoint(42, 1_000, 50, 0, MARK)
    opening = decide(stored, bounds(committed=42))
    assert (opening.checkpoint, opening.missing) == (stored, 0)


def test_a_commit_that_lags_behind_the_checkpoint_changes_nothing() -> None:
    stored = Checkpoint(42, 1_000, 50, 0, MARK)
    assert decide(stored, bounds(committed=30)).checkpoint == stored


def test_a_checkpoint_below_the_commit_recovers_up_to_the_commit() -> None:
    checkpoint = decide(Checkpoint(42), bounds(committed=60)).checkpoint
    assert (checkpoint.next_offset, checkpoint.recover_to) == (42, 60)
    assert checkpoint.is_recovering


def test_a_wiped_read_model_recovers_up_to_the_commit() -> None:
    checkpoint = decide(None, bounds(committed=60)).checkpoint
    assert (checkpoint.next_offset, checkpoint.recover_to) == (0, 60)


def test_a_recovery_goes_on_under_the_next_owner() -> None:
    stored = Checkpoint(42, recover_to=60)
    assert decide(stored, bounds(committed=10)).checkpoint == stored


def test_records_that_retention_took_away_unread_are_counted() -> None:
    opening = decide(Checkpoint(10), bounds(beginning=25))
    assert (opening.checkpoint.next_offset, opening.missing) == (25, 15)


def test_a_commit_in_the_part_that_retention_took_away_needs_no_recovery() -> None:
    checkpoint = decide(Checkpoint(10), bounds(beginning=25, committed=20)).checkpoint
    assert not checkpoint.is_recovering


def test_a_checkpoint_at_the_end_of_the_log_is_right() -> None:
    assert decide(Checkpoint(100), bounds(end=100, committed=100)).checkpoint == Checkpoint(100)


def test_a_checkpoint_beyond_the_end_is_of_another_log() -> None:
    with pytest.raises(WrongLogError, match="checkpoint 101 lies beyond the end of the log, 100"):
        decide(Checkpoint(101), bounds(end=100))


def test_a_commit_beyond_the_end_is_of_another_log_even_without_a_read_model() -> None:
    with pytest.raises(WrongLogError, match="committed offset 101 lies beyond the end"):
        decide(None, bounds(end=100, committed=101))


def test_a_checkpoint_before_the_first_record_has_no_mark() -> None:
    assert marked_offset(Checkpoint(0)) is None


def test_a_checkpoint_is_marked_with_its_last_record() -> None:
    assert marked_offset(Checkpoint(50, fingerprint=MARK)) == 41


def test_the_same_record_at_the_mark_is_the_same_log() -> None:
    verify(Checkpoint(42, fingerprint=MARK), APPLIED)


@pytest.mark.parametrize(
    "other",
    [
        APPLIED._replace(timestamp=APPLIED.timestamp + 1),
        APPLIED._replace(key=b"vs_1/file_2"),
        APPLIED._replace(value=b"{ }"),
        APPLIED._replace(key=b"vs_1/file_", value=b"1{}"),
        None,
    ],
    ids=["time", "key", "value", "boundary", "none"],
)
def test_another_record_at_the_mark_is_another_log(other: PlainRecord | None) -> None:
    with pytest.raises(WrongLogError, match="another record at offset 41"):
        verify(Checkpoint(42, fingerprint=MARK), other)


def test_the_newest_generation_is_the_highest_number_among_the_notes() -> None:
    assert newest_generation(["2", "10", "", "a note of somebody else's"]) == 10
    assert newest_generation([]) == 0
