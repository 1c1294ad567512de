"""The one way of a reporter's events to the log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from milepost.event_ids import event_id
from milepost.outbox import Position, Record
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, EventData

if TYPE_CHECKING:
    from milepost.step import AsyncStep


class EventPublisher(Protocol):
    """Where a reporter's records go: a `Publisher`, or a test's own."""

    async def publish(self, record: Record, topic: str) -> Position: ...


@dataclass(frozen=True)
class Cadence:
    """How often an open step publishes, and how long publishing may take, in seconds."""

    progress_s: float = 0.5
    """At most one progress event within this time; the newest values win."""
    sign_of_life_s: float = 10
    """At least one event within this time, progress or not."""
    deadline_s: float = 30
    """An event that is not acknowledged within this time is an error; for the reporter's own
    publisher, others have their own deadline."""


@dataclass(frozen=True)
class Outlet:
    """What all files and steps of one reporter share."""

    publisher: EventPublisher
    source: str
    topic: str
    cadence: Cadence
    clock: Callable[[], float]
    open_steps: "set[AsyncStep]" = field(default_factory=set)

    async def publish(
        self, data: EventData, *, occurrence: str = "", traceparent: str | None = None
    ) -> Position:
        """Publish a fact; `occurrence` tells apart what is said twice on purpose.

        Raises:
            PublishError: it was not acknowledged.
            InvalidRecordError: it is out of the contract's bounds; nothing was published.
        """
        time_ms = round(self.clock() * 1000)
        event = Event(event_id(data, occurrence), self.source, time_ms, data, traceparent)
        return await self.publisher.publish(encode(event), self.topic)
