import json
from typing import Any

import pytest

from milepost_schemas.codec import (
    ForeignRecordError,
    InvalidRecordError,
    check_identity,
    decode,
    encode,
)
from milepost_schemas.events import (
    Event,
    EventData,
    FileRegistered,
    LogRecorded,
    PlannedStep,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.nesting import MAX_NESTING
from milepost_schemas.times import parse_time_ms
from milepost_schemas.topics import MAX_EVENT_BYTES
from tests.unit.schemas.file_log import fact

KEY = b"vs_1/file_1"
LINE = fact(LogRecorded, level="info", message="Reading.")
HEADERS: dict[str, bytes | None] = {
    "ce_specversion": b"1.0",
    "ce_id": b"1",
    "ce_source": b"test",
    "ce_type": b"milepost.log.recorded.v1",
}


def value_of(**more: object) -> bytes:
    data = {"organization_id": "org_1", "store_id": "vs_1", "file_id": "file_1", "attempt": 1}
    return json.dumps(data | {"level": "info", "message": "Reading."} | more).encode()


def rejection(value: bytes | None = None, **headers: bytes | None) -> InvalidRecordError:
    with pytest.raises(InvalidRecordError) as rejected:
        decode(KEY, value_of() if value is None else value, (HEADERS | headers).items())
    return rejected.value


def refusal(data: EventData, **attributes: object) -> InvalidRecordError:
    event: dict[str, Any] = {"id": "1", "source": "test", "time_ms": None, "data": data}
    with pytest.raises(InvalidRecordError) as refused:
        encode(Event(**(event | attributes)))
    return refused.value


def test_an_event_is_a_record_in_binary_mode() -> None:
    event = Event(
        "e1", "stage", parse_time_ms("2025-06-15T10:00:05.250Z"), LINE, "00-a-b-01", "v=1"
    )

    record = encode(event)

    assert record.key == KEY
    assert json.loads(record.value) == json.loads(value_of())
    assert record.headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e1"),
        ("ce_source", b"stage"),
        ("ce_type", b"milepost.log.recorded.v1"),
        ("ce_time", b"2025-06-15T10:00:05.250Z"),
        ("ce_subject", b"vs_1/file_1"),
        ("ce_dataschema", b"urn:milepost:schema:milepost.log.recorded.v1"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-a-b-01"),
        ("tracestate", b"v=1"),
    ]
    assert decode(*record) == event


def test_what_is_unknown_is_left_out() -> None:
    record = encode(Event("e1", "stage", None, fact(StepProgressed, step="a")))

    assert b"null" not in record.value
    assert {"ce_time", "traceparent", "tracestate"}.isdisjoint(dict(record.headers))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_say_is_refused(number: float) -> None:
    assert refusal(fact(StepProgressed, step="a", done_units=number)).reason == "invalid_data"


@pytest.mark.parametrize(
    "data",
    [
        fact(LogRecorded, level="info", message="x" * 2001),
        fact(LogRecorded, level="info", message="half a \ud83d pair"),
        fact(LogRecorded, level="loud", message="x"),
        fact(LogRecorded, attempt=0, level="info", message="x"),
        fact(LogRecorded, attempt=1001, level="info", message="x"),
        fact(LogRecorded, store_id="a b", level="info", message="x"),
        fact(LogRecorded, file_id="upload", level="info", message="x"),
        fact(FileRegistered, name="x" * 256, size_bytes=1, mime_type=""),
        fact(FileRegistered, name="a", size_bytes=-1, mime_type=""),
        fact(FileRegistered, name="a", size_bytes=2**53, mime_type=""),
        fact(FileRegistered, name=b"a", size_bytes=1, mime_type=""),
        fact(FileRegistered, name=object(), size_bytes=1, mime_type=""),
        fact(StepStarted, step=""),
        fact(StepStarted, step="a", plan=()),
        fact(StepStarted, step="a", plan=(PlannedStep(step="a", weight=0),)),
        fact(StepStarted, step="a", plan=(PlannedStep(step="a", weight=1),) * 65),
        fact(StepStarted, step="a", max_silence_s=0.0),
        fact(StepProgressed, step="a", done_units=-1),
        fact(StepProgressed, step="a", progress_percent=-0.5),
        fact(StepProgressed, step="a", done_units=True),
    ],
)
def test_a_publisher_learns_at_once_what_is_out_of_bounds(data: EventData) -> None:
    assert refusal(data).reason == "invalid_data"


def test_a_publisher_cannot_send_a_value_that_is_too_large() -> None:
    output = {f"fact {number}": "x" * 2000 for number in range(40)}

    assert refusal(fact(StepCompleted, step="a", output=output)).reason == "too_large"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"id": ""}, "not_a_cloudevent"),
        ({"source": ""}, "not_a_cloudevent"),
        ({"id": "\ud83d"}, "invalid_data"),
        ({"time_ms": 10**15}, "invalid_data"),
        ({"time_ms": -(10**30)}, "invalid_data"),
    ],
)
def test_a_publisher_cannot_send_attributes_that_nobody_can_read(
    attributes: dict[str, object], reason: str
) -> None:
    assert refusal(LINE, **attributes).reason == reason


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_specversion"])
@pytest.mark.parametrize("text", [None, b""])
def test_a_required_header_without_a_value_is_no_cloudevent(name: str, text: bytes | None) -> None:
    assert rejection(**{name: text}).reason == "not_a_cloudevent"


@pytest.mark.parametrize("text", [None, b""])
def test_a_type_without_a_value_is_no_cloudevent(text: bytes | None) -> None:
    error = rejection(ce_type=text, **{"content-type": None})

    assert (error.reason, error.detail) == ("not_a_cloudevent", "ce_type is missing")


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_time", "traceparent", "tracestate"])
def test_a_header_that_is_not_utf8_is_no_cloudevent(name: str) -> None:
    assert rejection(**{name: b"\xff"}).reason == "not_a_cloudevent"


def test_optional_headers_may_have_no_value() -> None:
    headers = HEADERS | {"ce_time": None, "traceparent": None, "tracestate": None}

    assert decode(KEY, value_of(), headers.items()) == Event("1", "test", None, LINE)


def too_deep(brackets: str) -> bytes:
    opening, closing = brackets[:-1], brackets[-1]
    nested = opening * MAX_NESTING + "1" + closing * MAX_NESTING
    return value_of()[:-1] + b', "more": ' + nested.encode() + b"}"


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_a_value_that_is_nested_too_deep_is_malformed(brackets: str) -> None:
    assert rejection(too_deep(brackets)).reason == "malformed_data"


def test_a_structured_value_that_is_nested_too_deep_is_malformed() -> None:
    with pytest.raises(InvalidRecordError) as rejected:
        decode(KEY, too_deep("[]"), [("content-type", b"application/cloudevents+json")])

    assert rejected.value.reason == "malformed_data"


def test_brackets_in_a_text_or_beside_each_other_are_not_nested() -> None:
    value = value_of(message='["\\' * 600, more=[[1]] * 600)

    assert decode(KEY, value, HEADERS.items()).id == "1"


def test_the_largest_value_is_allowed_and_one_byte_more_is_not() -> None:
    value = value_of().ljust(MAX_EVENT_BYTES)

    assert decode(KEY, value, HEADERS.items()).id == "1"
    assert rejection(value + b" ").reason == "too_large"


def test_a_value_that_is_not_utf8_is_malformed() -> None:
    assert rejection(value_of().replace(b"Reading", b"R\xffading")).reason == "malformed_data"


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (value_of(), {"ce_time": b"secret"}),
        (value_of(), {"ce_type": b"milepost.secret"}),
        (value_of(level="secret"), {}),
        (value_of(level="secret - at `$.secret`\n"), {}),
    ],
)
def test_the_detail_never_quotes_the_record(value: bytes, headers: dict[str, bytes]) -> None:
    assert "secret" not in str(rejection(value, **headers))


def test_a_foreign_type_is_named() -> None:
    with pytest.raises(ForeignRecordError) as foreign:
        decode(KEY, b"not even JSON", (HEADERS | {"ce_type": b"com.example.paid"}).items())

    assert foreign.value.type == "com.example.paid"


@pytest.mark.parametrize("key", [None, b"", b"vs_1/file_2", b"vs_1/file_1 "])
def test_the_key_must_be_the_files(key: bytes | None) -> None:
    with pytest.raises(InvalidRecordError) as rejected:
        check_identity(LINE, key)

    assert rejected.value.reason == "key_mismatch"
