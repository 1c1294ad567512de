import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from milepost_schemas.codec import (
    ForeignRecordError,
    InvalidRecordError,
    decode,
    decode_event,
    encode,
)
from milepost_schemas.events import TYPES, Event, EventData
from milepost_schemas.times import format_ms, parse_time_ms
from tests.property.histories import every_kind, facts, long

any_data = facts(every_kind, st.integers(1, 1000), st.sampled_from(["org_1", "o.-_"]))
printable = st.text(min_size=1, max_size=20)
instants_ms = st.integers(parse_time_ms("0001-01-01T00:00:00Z"), 253_402_300_799_999)
events = st.builds(
    Event,
    id=printable,
    source=printable,
    time_ms=st.none() | instants_ms,
    data=any_data,
    traceparent=st.none() | st.text(max_size=5),
    tracestate=st.none() | st.text(max_size=5),
)

types = st.sampled_from([*TYPES, "milepost.step.strated.v1", "com.example.paid"]).map(str.encode)
header_names = st.sampled_from(
    ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "traceparent", "content-type"]
)
header_values = st.one_of(
    st.none(),
    st.binary(max_size=12),
    types,
    st.sampled_from([b"1.0", b"2025-06-15T10:00:00Z", b"application/cloudevents+json"]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def check_only_known_errors(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    try:
        event = decode(key, value, headers)
    except (InvalidRecordError, ForeignRecordError):
        return
    assert decode(*encode(event)) == event


@given(
    st.none() | st.binary(max_size=12),
    st.none() | st.binary(max_size=60),
    st.lists(st.tuples(st.text(max_size=12) | header_names, header_values), max_size=8),
)
def test_any_bytes_are_an_event_or_refused(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    check_only_known_errors(key, value, headers)


@given(events, st.dictionaries(header_names, header_values, max_size=2))
@settings(max_examples=300)
def test_any_damage_to_the_headers_is_an_event_or_refused(
    event: Event, damage: dict[str, bytes | None]
) -> None:
    key, value, headers = encode(event)

    check_only_known_errors(key, value, [*headers, *damage.items()])


@given(events, st.data())
@settings(max_examples=300)
def test_any_damage_to_the_data_is_an_event_or_refused(event: Event, data: st.DataObject) -> None:
    key, value, headers = encode(event)
    fields: dict[str, Any] = json.loads(value)
    names = st.sampled_from(sorted(fields)) | st.text(max_size=5)
    damage = data.draw(st.dictionaries(names, json_values, max_size=3))

    check_only_known_errors(key, json.dumps(fields | damage).encode(), list(headers))


@given(events, st.data())
@settings(max_examples=200)
def test_any_damage_to_the_bytes_is_an_event_or_refused(event: Event, data: st.DataObject) -> None:
    key, value, headers = encode(event)
    at = data.draw(st.integers(0, len(value)))
    damaged = value[:at] + data.draw(st.binary(max_size=4)) + value[at + 1 :]

    check_only_known_errors(key, damaged, list(headers))


@given(long(json_values, 3), st.booleans())
def test_any_structured_value_is_an_event_or_refused(
    values: list[object],
    is_object: bool,  # noqa: FBT001  drawn
) -> None:
    names = ["specversion", "id", "source", "type", "data", "time"]
    value = dict(zip(names, ["1.0", "1", "test", *values], strict=False)) if is_object else values

    check_only_known_errors(
        b"vs_1/file_1",
        json.dumps(value).encode(),
        [("content-type", b"application/cloudevents+json; charset=UTF-8")],
    )


@given(events)
@settings(max_examples=300)
def test_an_event_survives_its_record(event: Event) -> None:
    record = encode(event)

    assert decode(*record) == event
    assert decode_event(record.value, record.headers) == event


@given(events)
def test_both_modes_carry_the_same_event(event: Event) -> None:
    record = encode(event)
    attributes = {
        name.removeprefix("ce_"): text.decode()
        for name, text in record.headers
        if name != "content-type"
    }
    structured = json.dumps(attributes | {"data": json.loads(record.value)}).encode()
    headers = [("content-type", b"application/cloudevents+json")]

    assert decode(record.key, structured, headers) == event


@given(instants_ms)
def test_every_millisecond_survives_its_text(milliseconds: int) -> None:
    assert parse_time_ms(format_ms(milliseconds)) == milliseconds


@given(any_data)
def test_unknown_fields_change_nothing(data: EventData) -> None:
    key, value, headers = encode(Event("1", "test", None, data))
    more = json.dumps(json.loads(value) | {"a_field_of_tomorrow": {"x": [1]}}).encode()

    assert decode(key, more, headers).data == data
