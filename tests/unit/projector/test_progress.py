import pytest

from milepost_projector.progress import RECENT_S, WAITS_FOR_THE_GROUP, Progress
from milepost_schemas.checkpoint import Checkpoint
from tests.unit.projector.observed import (
    WITHIN_S,
    Assignment,
    Clock,
    a_progress,
    a_standing,
    written,
)

ONE_OPEN = Assignment(opened=frozenset({3}))
ONE_PENDING = Assignment(pending=frozenset({3}))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def progressing(clock: Clock, end_offset: int = 100) -> Progress:
    """Partition 3 is open, at offset 5 of a log with the given end, and has just progressed."""
    progress = a_progress(ONE_OPEN, clock)
    progress.opened(3, a_standing(Checkpoint(0), end_offset=end_offset))
    progress.settled(3, written(Checkpoint(5)))
    return progress


def test_a_member_without_partitions_is_ready_once_others_own_them_all(clock: Clock) -> None:
    progress = a_progress(Assignment(), clock)
    assert (progress.obstacle(), progress.obstacles()) == (None, {})


def test_a_member_that_waits_for_its_group_is_not_ready(clock: Clock) -> None:
    progress = a_progress(Assignment(is_assigned=False), clock)
    assert progress.obstacle() == WAITS_FOR_THE_GROUP


def test_what_keeps_a_member_from_its_first_progress_is_named_while_it_is_recent(
    clock: Clock,
) -> None:
    waiting = a_progress(Assignment(is_assigned=False), clock)
    pending = a_progress(ONE_PENDING, clock)
    for progress in (waiting, pending):
        progress.troubled("kafka: away")
    assert waiting.obstacle() == f"{WAITS_FOR_THE_GROUP}: kafka: away"
    assert pending.obstacles() == {3: "it is not opened yet: kafka: away"}
    clock.now_s += RECENT_S + 1
    assert waiting.obstacle() == WAITS_FOR_THE_GROUP
    assert pending.obstacles() == {3: "it is not opened yet"}


def test_a_partition_that_is_not_opened_is_not_ready(clock: Clock) -> None:
    progress = a_progress(ONE_PENDING, clock)
    assert progress.obstacles() == {3: "it is not opened yet"}


def test_opening_a_partition_is_no_progress(clock: Clock) -> None:
    progress = a_progress(ONE_OPEN, clock)
    progress.opened(3, a_standing(Checkpoint(5), end_offset=5))
    assert progress.obstacles() == {3: "it has made no progress since it was opened"}


def test_a_partition_whose_checkpoint_moves_is_ready_however_far_behind(clock: Clock) -> None:
    progress = progressing(clock, end_offset=1_000_000)
    assert progress.obstacles() == {}


def test_a_partition_at_the_end_of_the_log_is_ready_as_long_as_that_is_written(
    clock: Clock,
) -> None:
    progress = progressing(clock, end_offset=5)
    clock.now_s += WITHIN_S + 1
    assert progress.obstacles() == {3: "no progress for 11 s"}
    progress.settled(3, written(Checkpoint(5, as_of_ms=1)))
    assert progress.obstacles() == {}


def test_a_checkpoint_that_is_only_written_again_is_no_progress(clock: Clock) -> None:
    progress = progressing(clock, end_offset=6)
    clock.now_s += WITHIN_S + 1
    progress.settled(3, written(Checkpoint(5, end_offset=6)))
    assert progress.obstacles() == {3: "no progress for 11 s"}


def test_a_partition_that_stands_still_makes_the_others_no_less_ready(clock: Clock) -> None:
    progress = a_progress(Assignment(opened=frozenset({3, 4})), clock)
    for number in (3, 4):
        progress.opened(number, a_standing(Checkpoint(0), end_offset=9))
        progress.settled(number, written(Checkpoint(1)))
    clock.now_s += WITHIN_S + 1
    progress.settled(4, written(Checkpoint(2)))
    assert [*progress.obstacles()] == [3]


def test_what_went_wrong_since_the_last_progress_is_named(clock: Clock) -> None:
    progress = progressing(clock)
    clock.now_s += 1
    progress.troubled("Redis is away")
    clock.now_s += WITHIN_S
    assert progress.obstacles() == {3: "no progress for 11 s: Redis is away"}


def test_what_went_wrong_before_is_not_blamed(clock: Clock) -> None:
    progress = a_progress(ONE_OPEN, clock)
    progress.opened(3, a_standing(Checkpoint(0)))
    progress.troubled("Redis is away")
    clock.now_s += 1
    progress.settled(3, written(Checkpoint(5)))
    clock.now_s += WITHIN_S + 1
    assert progress.obstacles() == {3: "no progress for 11 s"}


def test_a_refused_partition_is_not_ready_and_says_why(clock: Clock) -> None:
    progress = a_progress(ONE_PENDING, clock)
    progress.refused[3] = "the checkpoint 9 lies beyond the end of the log, 4"
    assert progress.obstacles() == {
        3: "wrong log: the checkpoint 9 lies beyond the end of the log, 4"
    }


def test_a_refused_partition_that_could_be_opened_after_all_is_an_ordinary_one(
    clock: Clock,
) -> None:
    progress = a_progress(ONE_OPEN, clock)
    progress.refused[3] = "the checkpoint 9 lies beyond the end of the log, 4"
    progress.opened(3, a_standing(Checkpoint(9)))
    progress.settled(3, written(Checkpoint(9)))
    assert (progress.obstacles(), progress.refused) == ({}, {})


def test_a_partition_that_was_given_away_is_nobodys_obstacle(clock: Clock) -> None:
    progress = a_progress(Assignment(), clock)
    progress.opened(3, a_standing(Checkpoint(0), end_offset=9))
    assert (progress.obstacles(), progress.standings, progress.owned) == ({}, {}, [])
