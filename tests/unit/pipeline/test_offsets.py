import pytest

from milepost_pipeline.offsets import Offsets


@pytest.fixture
def offsets() -> Offsets:
    offsets = Offsets()
    offsets.open(3, 100)
    return offsets


def test_nothing_is_committed_before_anything_is_read(offsets: Offsets) -> None:
    assert offsets.committable() == {}


def test_records_without_work_are_committed_as_they_are_read(offsets: Offsets) -> None:
    offsets.read_to(3, 120)
    assert offsets.committable() == {3: 120}


def test_the_oldest_unfinished_record_holds_the_commit(offsets: Offsets) -> None:
    for offset in (101, 105, 109):
        offsets.take(3, offset)
    offsets.read_to(3, 110)

    offsets.finish(3, 105)
    assert offsets.committable() == {3: 101}

    offsets.finish(3, 101)
    assert offsets.committable() == {3: 109}

    offsets.finish(3, 109)
    assert offsets.committable() == {3: 110}


def test_what_is_committed_is_not_committed_again(offsets: Offsets) -> None:
    offsets.read_to(3, 120)
    offsets.committed(offsets.committable())
    assert offsets.committable() == {}


def test_partitions_do_not_hold_each_other(offsets: Offsets) -> None:
    offsets.open(4, 0)
    offsets.take(3, 100)
    offsets.read_to(3, 101)
    offsets.read_to(4, 50)
    assert offsets.committable() == {4: 50}


def test_a_partition_that_comes_back_begins_where_it_was_committed(offsets: Offsets) -> None:
    offsets.take(3, 100)
    offsets.read_to(3, 101)
    offsets.open(3, 90)
    offsets.read_to(3, 95)
    assert offsets.committable() == {3: 95}
