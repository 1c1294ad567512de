"""Events to and from Kafka records, by the CloudEvents 1.0 Kafka binding."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from milepost_schemas.events import TYPE_PREFIX, TYPES, Event, EventData
from milepost_schemas.identity import file_key, is_file_id, is_identifier
from milepost_schemas.nesting import MAX_NESTING, is_too_deep
from milepost_schemas.times import format_ms, parse_header_ms
from milepost_schemas.topics import MAX_EVENT_BYTES

STRUCTURED = b"application/cloudevents+json"
SCHEMA_URN = "urn:milepost:schema:"

T = TypeVar("T")
Headers = Iterable[tuple[str, bytes | None]]

InvalidReason = Literal[
    "not_a_cloudevent",
    "unknown_type",
    "malformed_data",
    "invalid_data",
    "too_large",
    "key_mismatch",
    "wrong_partition",
    "wrong_organization",
    "too_many_steps",
]
"""Why a record cannot be applied, whoever tries."""


class InvalidRecordError(Exception):
    """The record breaks the contract; `detail` names the fact without quoting the value."""

    def __init__(self, reason: InvalidReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ForeignRecordError(Exception):
    """The record is a CloudEvent of somebody else's type, which Milepost skips."""

    def __init__(self, type_: str) -> None:
        super().__init__(f"not a Milepost event: {type_}")
        self.type = type_


class EncodedRecord(NamedTuple):
    """A record before it has a partition: binary mode, key as the topic demands."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Upcast(NamedTuple):
    """How the data of a retired type becomes the data of a newer one."""

    type: str
    convert: Callable[[dict[str, Any]], dict[str, Any]]


UPCASTS: dict[str, Upcast] = {}
"""Retired types and their conversions; a retired type leaves `TYPES` and enters here."""

_encoder = msgspec.json.Encoder()
_decoders = {name.encode(): msgspec.json.Decoder(data) for name, data in TYPES.items()}


def encode(event: Event) -> EncodedRecord:
    """The record of an event, in binary mode.

    Raises:
        InvalidRecordError: the data is out of bounds. Structs do not check what they are built
            from, so this is where a publisher learns of it.
    """
    try:
        return _encode(event)
    except (TypeError, ValueError) as error:
        detail = "text is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise InvalidRecordError("invalid_data", detail) from error


def _encode(event: Event) -> EncodedRecord:
    data = event.data
    type_ = event.type
    value = _encoder.encode(data)
    _check_size(value)
    if _decode_data(_decoders[type_.encode()], value) != data:
        # JSON has no NaN and no infinity, so msgspec writes null for them.
        raise InvalidRecordError("invalid_data", "a number is not finite, or a type is not exact")
    if not (event.id and event.source):
        raise InvalidRecordError("not_a_cloudevent", "id or source is empty")
    key = file_key(data.store_id, data.file_id).encode()
    check_identity(data, key)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": event.source,
        "ce_type": type_,
        "ce_time": None if event.time_ms is None else format_ms(event.time_ms),
        "ce_subject": key.decode(),
        "ce_dataschema": f"{SCHEMA_URN}{type_}",
        "content-type": "application/json",
        "traceparent": event.traceparent,
        "tracestate": event.tracestate,
    }
    return EncodedRecord(
        key, value, [(name, text.encode()) for name, text in headers.items() if text is not None]
    )


def decode(key: bytes | None, value: bytes | None, headers: Headers) -> Event:
    """The event of a record, in binary or structured mode, checked whole.

    Raises:
        InvalidRecordError: the record breaks the contract.
        ForeignRecordError: its type is not one of Milepost's.
    """
    event = decode_event(value, headers)
    check_identity(event.data, key)
    return event


def decode_event(value: bytes | None, headers: Headers) -> Event:
    """As `decode`, but without a look at the identifiers and the key.

    For callers that know the key's file already and compare with it (see `check_identity`).
    """
    attributes = dict(headers)
    type_ = attributes.get("ce_type")
    if not type_:
        return _decode_structured(value, attributes)
    decoder = _decoders.get(type_)
    if decoder is None:
        return _decode_other(type_, value, attributes)
    if value is None:
        raise InvalidRecordError("malformed_data", "the record has no value")
    if len(value) > MAX_NESTING:
        _check_bounds(value)
    try:
        data: EventData = decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise _invalid_data(error) from error
    except UnicodeDecodeError as error:
        raise InvalidRecordError("malformed_data", "the value is not UTF-8") from error
    return _event(data, attributes)


def check_identity(data: EventData, key: bytes | None) -> None:
    """Check that the identifiers are well formed and that the key is the file's.

    Raises:
        InvalidRecordError: one of them is not.
    """
    for name, text in (("organization_id", data.organization_id), ("store_id", data.store_id)):
        if not is_identifier(text):
            raise InvalidRecordError("invalid_data", f"{name} is not an identifier")
    if not is_file_id(data.file_id):
        raise InvalidRecordError("invalid_data", "file_id is reserved or not an identifier")
    if key != file_key(data.store_id, data.file_id).encode():
        raise InvalidRecordError("key_mismatch", "the record key is not store_id/file_id")


def _event(data: EventData, attributes: Mapping[str, bytes | None]) -> Event:
    """The event of decoded data and the `ce_` headers of its record."""
    if attributes.get("ce_specversion") != b"1.0":
        raise InvalidRecordError("not_a_cloudevent", "ce_specversion is not 1.0")
    id_ = attributes.get("ce_id")
    source = attributes.get("ce_source")
    if not (id_ and source):
        raise InvalidRecordError("not_a_cloudevent", "ce_id or ce_source is missing or empty")
    time = attributes.get("ce_time")
    traceparent = attributes.get("traceparent")
    tracestate = attributes.get("tracestate")
    try:
        return Event(
            id_.decode(),
            source.decode(),
            None if time is None else parse_header_ms(time),
            data,
            None if traceparent is None else traceparent.decode(),
            None if tracestate is None else tracestate.decode(),
        )
    except UnicodeDecodeError as error:
        raise InvalidRecordError("not_a_cloudevent", "a header is not UTF-8") from error
    except ValueError as error:
        detail = "ce_time is not an RFC 3339 time of the years 1 to 9999"
        raise InvalidRecordError("not_a_cloudevent", detail) from error


def _decode_other(
    type_: bytes, value: bytes | None, attributes: Mapping[str, bytes | None]
) -> Event:
    """A record whose type is none of the current ones: retired, mistyped or foreign."""
    name = type_.decode(errors="replace")
    if not name.startswith(TYPE_PREFIX):
        raise ForeignRecordError(name)
    if name not in UPCASTS:
        raise InvalidRecordError("unknown_type", "no such milepost type")
    if value is None:
        raise InvalidRecordError("malformed_data", "the record has no value")
    _check_bounds(value)
    return _event(_upcast(name, _decode_data(_any_object, value)), attributes)


def _upcast(name: str, old: dict[str, Any]) -> EventData:
    """Bring retired data to a current type, step by step."""
    while name in UPCASTS:
        name, convert = UPCASTS[name]
        try:
            old = convert(old)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRecordError("invalid_data", f"cannot upcast to {name}") from error
    return _convert(old, name)


class _Envelope(msgspec.Struct):
    """A CloudEvent in structured mode."""

    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw = msgspec.Raw()
    time: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_any_object = msgspec.json.Decoder(dict[str, Any])


def _decode_structured(value: bytes | None, attributes: Mapping[str, bytes | None]) -> Event:
    """A record that carries its attributes in the value: the same event in binary mode."""
    if not (attributes.get("content-type") or b"").lower().startswith(STRUCTURED):
        raise InvalidRecordError("not_a_cloudevent", "ce_type is missing")
    if value is None:
        raise InvalidRecordError("not_a_cloudevent", "the record has no value")
    _check_bounds(value)
    try:
        envelope = _envelope.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRecordError("not_a_cloudevent", _safe_detail(error)) from error
    binary = {
        "ce_specversion": envelope.specversion,
        "ce_id": envelope.id,
        "ce_source": envelope.source,
        "ce_type": envelope.type,
        "ce_time": envelope.time,
        "traceparent": envelope.traceparent,
        "tracestate": envelope.tracestate,
    }
    return decode_event(
        bytes(envelope.data) or None,
        [(name, text.encode()) for name, text in binary.items() if text is not None],
    )


def _decode_data(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _invalid_data(error) from error


def _convert(data: dict[str, Any], name: str) -> EventData:
    try:
        converted: EventData = msgspec.convert(data, TYPES[name])
    except msgspec.MsgspecError as error:
        raise _invalid_data(error) from error
    return converted


def _invalid_data(error: Exception) -> InvalidRecordError:
    well_formed = isinstance(error, msgspec.ValidationError)
    return InvalidRecordError(
        "invalid_data" if well_formed else "malformed_data", _safe_detail(error)
    )


def _safe_detail(error: Exception) -> str:
    """What went wrong and where, without the value: it may be long, or nobody else's business."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return _QUOTED_ENUM.sub("Invalid enum value", str(error))


_QUOTED_ENUM = re.compile(r"Invalid enum value .*(?= - at )", re.DOTALL)


def _check_bounds(value: bytes) -> None:
    _check_size(value)
    if is_too_deep(value):
        raise InvalidRecordError("malformed_data", f"nested deeper than {MAX_NESTING}")


def _check_size(value: bytes) -> None:
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidRecordError("too_large", f"{len(value)} bytes, allowed {MAX_EVENT_BYTES}")
