"""The log, for what the projector itself has to say."""

from typing import Final

from milepost.event_ids import event_id
from milepost.publisher import Publisher
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, EventData

SOURCE: Final = "milepost.projector"


class EventLog:
    """Publishes facts as events, as any stage does.

    Ids follow from what is said, so what is published again is a duplicate, whoever does it. The
    events carry no time of their own: the broker's counts.
    """

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher = publisher
        self._topic = topic

    async def publish(self, data: EventData) -> None:
        """Return once the broker has acknowledged it.

        Raises:
            PublishError: it has not; publishing again does no harm.
        """
        event = Event(event_id(data), SOURCE, None, data)
        await self._publisher.publish(encode(event), self._topic)
