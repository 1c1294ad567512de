"""A projector that publishes no statuses, to show what they cost; for benchmarks only."""

from collections.abc import Sequence

from milepost_projector import __main__ as projector
from milepost_projector.partition import Partition
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.document import Document


class NoStatuses(StatusTopic):
    """Takes every document for published."""

    async def publish(self, partition: Partition, documents: Sequence[Document]) -> None:
        """Do nothing."""


if __name__ == "__main__":
    vars(projector)["StatusTopic"] = NoStatuses
    projector.main()
