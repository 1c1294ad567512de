import pytest

from milepost_query.freshness import Freshness, Highest, Partition
from milepost_schemas.checkpoint import Checkpoint


def observe(partition: Partition, next_offset: int, *, recover_to: int = 0) -> Freshness:
    return partition.observe(Checkpoint(next_offset, 1_000, next_offset + 2, recover_to).encode())


def test_a_checkpoint_becomes_headers() -> None:
    freshness = observe(Partition("c", Highest()), 5)

    assert freshness == Freshness(
        None,
        1_000,
        ((b"milepost-as-of", b"1970-01-01T00:00:01.000Z"), (b"milepost-lag", b"2")),
        lag=2,
        next_offset=5,
    )


def test_an_unchanged_checkpoint_is_not_parsed_again() -> None:
    partition = Partition("c", Highest())

    assert observe(partition, 5) is observe(partition, 5)


def test_a_partition_that_was_never_seen_is_missing() -> None:
    assert Partition("c", Highest()).observe(None).obstacle == "missing"


@pytest.mark.parametrize("value", [b"", b"1", b"a b c d e", b"1 2 3 4 5 6 7", b"\xff 1 2 3 4"])
def test_what_is_no_checkpoint_is_unreadable(value: bytes) -> None:
    assert Partition("c", Highest()).observe(value).obstacle == "unreadable"


def test_below_the_highest_checkpoint_seen_it_is_behind() -> None:
    partition = Partition("c", Highest())
    observe(partition, 9)

    obstacles = [observe(partition, offset).obstacle for offset in (8, 0, 9, 10)]

    assert obstacles == ["behind", "behind", None, None]


def test_what_was_seen_outlives_a_checkpoint_that_vanished() -> None:
    partition = Partition("c", Highest())
    observe(partition, 9)
    partition.observe(None)

    assert observe(partition, 8).obstacle == "behind"


def test_recovering_is_told_before_behind() -> None:
    partition = Partition("c", Highest())
    observe(partition, 9)

    assert observe(partition, 3, recover_to=9).obstacle == "recovering"
    assert observe(partition, 9, recover_to=9).obstacle is None


def test_another_generation_is_not_believed_below_what_was_seen_of_the_former_one() -> None:
    highest = Highest()
    observe(Partition("g1", highest), 9)

    rebuilt = Partition("g2", highest)

    assert [observe(rebuilt, offset).obstacle for offset in (8, 9)] == ["behind", None]


def test_a_closed_checkpoint_is_answered_from() -> None:
    closed = Checkpoint(5, 1_000, 7, closed_by="a-switch")

    freshness = Partition("c", Highest()).observe(closed.encode())

    assert freshness == observe(Partition("c", Highest()), 5)
