"""Ids of events that are the same whenever the same fact is published again."""

from uuid import UUID, uuid5

import msgspec

from milepost_schemas.events import TYPE_OF, EventData

_NAMESPACE = UUID("5f0c9f52-6d0b-5d3c-9a55-0b6f1d6c7a11")

_encoder = msgspec.json.Encoder(order="deterministic")


def event_id(data: EventData, occurrence: str = "") -> str:
    """The id of a fact: a UUID over its type, its content, and which occurrence of it this is.

    The occurrence tells apart what is said twice on purpose, such as equal log lines.
    """
    content = _encoder.encode(data).decode()
    return str(uuid5(_NAMESPACE, "\n".join((TYPE_OF[type(data)], occurrence, content))))
