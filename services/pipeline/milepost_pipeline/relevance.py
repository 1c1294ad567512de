"""Which records a stage has to decode at all."""

from milepost.consumer import Record
from milepost_schemas.codec import ForeignRecordError, InvalidRecordError, decode
from milepost_schemas.events import (
    TYPE_OF,
    EventData,
    FileDeleted,
    FileRegistered,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
)

_RELEVANT = {
    TYPE_OF[type_].encode()
    for type_ in (
        FileRegistered,
        ProcessingRequested,
        StepCompleted,
        ProcessingCompleted,
        ProcessingFailed,
        FileDeleted,
    )
}


def read_event(record: Record) -> EventData | None:
    """Return the event if it may concern a stage; the rest is told apart by one header.

    Records that break the contract are passed over: the projector keeps them as dead letters.
    """
    type_ = dict(record.headers).get("ce_type")
    # Without the header it may be an event in structured mode.
    if type_ is not None and type_ not in _RELEVANT:
        return None
    try:
        return decode(record.key, record.value, record.headers).data
    except (InvalidRecordError, ForeignRecordError):
        return None
