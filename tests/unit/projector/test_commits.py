import asyncio

import pytest

from milepost.connection import KafkaSettings
from milepost.log_reader import LogReader
from milepost_projector.partition import Partition
from milepost_projector.publication import Means, Publication
from milepost_projector.publications import Publications
from milepost_projector.read_model import RedisReadModel
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from tests.unit.projector.log import KEYS
from tests.unit.projector.observed import some_metrics

NOWHERE = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def a_publication(published: int, checkpoint: Checkpoint) -> Publication:
    """A publication that is connected to nothing."""
    topic = StatusTopic(NOWHERE, "statuses", "group")
    read_model = RedisReadModel("redis://127.0.0.1:1/0", Keys())
    means = Means(topic, read_model, LogReader(NOWHERE, "events"), some_metrics())
    return Publication(Partition(0, 1, KEYS), means, published, checkpoint)


@pytest.mark.parametrize(
    ("published", "checkpoint", "committable"),
    [
        (5, Checkpoint(5), {0: 5}),
        (3, Checkpoint(5), {0: 3}),
        (3, Checkpoint(3, recover_to=4), {}),
        (4, Checkpoint(4, recover_to=4), {0: 4}),
    ],
    ids=["complete", "behind", "recovering", "recovered"],
)
async def test_the_group_learns_how_far_the_status_topic_is(
    published: int, checkpoint: Checkpoint, committable: dict[int, int]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        publications = Publications(tasks, lambda _: None, some_metrics())
        publications.begin(a_publication(published, checkpoint))
        assert publications.committable() == committable
        publications.committed(committable)
        assert publications.committable() == {}
        publications.end_all()


def test_a_partition_recovers_by_what_was_applied_not_by_what_was_folded() -> None:
    publication = a_publication(0, Checkpoint(0, recover_to=2))
    publication.offer({}, 1)
    assert publication.is_held
    publication.offer({}, 3)
    assert not publication.is_held
