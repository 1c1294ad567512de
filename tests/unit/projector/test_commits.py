from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.publisher import Publisher
from milepost_projector.dead_letters import DeadLetters
from milepost_projector.partition import PartitionFold
from milepost_projector.projector import Projector
from milepost_projector.read_model import RedisReadModel
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from tests.unit.projector.log import a_fold, log, progressed

NOWHERE = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def a_projector(fold: PartitionFold) -> Projector:
    """A projector that holds one open partition and is connected to nothing."""
    projector = Projector(
        Consumer(NOWHERE, "events", "group"),
        RedisReadModel("redis://127.0.0.1:1/0", Keys()),
        DeadLetters(Publisher(NOWHERE), "dead-letters", "events"),
        partitions=1,
        clock_ms=lambda: 0,
    )
    projector._folds[fold.number] = fold
    return projector


def test_a_written_slice_is_to_be_committed() -> None:
    fold = a_fold()
    fold.fold(log(progressed()))
    (slice_,) = fold.cut(1, batch=1).slices
    projector = a_projector(fold)
    projector._settle(fold, slice_, slice_.checkpoint)
    assert projector._committable == {0: 1}


def test_nothing_below_the_end_of_a_recovery_is_committed() -> None:
    fold = a_fold(Checkpoint(0, recover_to=2))
    fold.fold(log(progressed()))
    (first,) = fold.cut(1, batch=1).slices
    fold.fold(log(progressed(), progressed(), first=1))
    (second,) = fold.cut(3, batch=2).slices
    projector = a_projector(fold)

    projector._settle(fold, first, first.checkpoint)
    assert projector._committable == {}
    projector._settle(fold, second, second.checkpoint)
    assert projector._committable == {0: 3}


def test_a_partition_whose_write_was_lost_is_forgotten() -> None:
    fold = a_fold()
    fold.fold(log(progressed()))
    (slice_,) = fold.cut(1, batch=1).slices
    projector = a_projector(fold)
    projector._settle(fold, slice_, b"-")
    assert (projector._folds, projector._committable) == ({}, {})
