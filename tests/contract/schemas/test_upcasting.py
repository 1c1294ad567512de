"""Retired types are still read: their data is brought to a current type while decoding."""

import json
from typing import Any

import pytest

from milepost_schemas.codec import UPCASTS, InvalidRecordError, Upcast, decode
from milepost_schemas.events import Event, ProcessingStalled, StepStarted

KEY = b"vs_1/file_1"
IDENTITY: dict[str, Any] = {
    "organization_id": "org_1",
    "store_id": "vs_1",
    "file_id": "file_1",
    "attempt": 1,
}


def rename_stage(old: dict[str, Any]) -> dict[str, Any]:
    """Version 0 called the step a stage."""
    return {name: field for name, field in old.items() if name != "stage"} | {"step": old["stage"]}


def first_attempt(old: dict[str, Any]) -> dict[str, Any]:
    """The version before that knew no attempts."""
    return old | {"attempt": 1}


def one_field_of_two(old: dict[str, Any]) -> dict[str, Any]:
    return old | {"silent_since": f"{old['day']}T{old['time']}Z"}


@pytest.fixture(autouse=True)
def retired_types(monkeypatch: pytest.MonkeyPatch) -> None:
    for type_, newer, convert in (
        ("milepost.stage.started.v0", "milepost.step.started.v1", rename_stage),
        ("milepost.stage.began.v0", "milepost.stage.started.v0", first_attempt),
        ("milepost.stage.silent.v0", "milepost.processing.stalled.v1", one_field_of_two),
    ):
        monkeypatch.setitem(UPCASTS, type_, Upcast(newer, convert))


def read(type_: str, data: dict[str, Any], key: bytes = KEY) -> Event:
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "old", "ce_type": type_}
    encoded = [(name, text.encode()) for name, text in headers.items()]
    return decode(key, json.dumps(data).encode(), encoded)


def test_a_retired_type_is_read_as_its_successor() -> None:
    event = read("milepost.stage.started.v0", IDENTITY | {"stage": "extracting"})

    assert event == Event("1", "old", None, StepStarted(**IDENTITY, step="extracting"))
    assert event.type == "milepost.step.started.v1"


def test_a_type_that_was_retired_twice_is_converted_twice() -> None:
    data = {name: field for name, field in IDENTITY.items() if name != "attempt"}

    event = read("milepost.stage.began.v0", data | {"stage": "extracting"})

    assert event.data == StepStarted(**IDENTITY, step="extracting")


def test_structured_mode_is_converted_too() -> None:
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "old",
        "type": "milepost.stage.started.v0",
        "data": IDENTITY | {"stage": "extracting"},
    }

    event = decode(
        KEY, json.dumps(envelope).encode(), [("content-type", b"application/cloudevents+json")]
    )

    assert event.data == StepStarted(**IDENTITY, step="extracting")


def test_a_converted_time_is_a_time() -> None:
    event = read(
        "milepost.stage.silent.v0", IDENTITY | {"day": "2025-06-15", "time": "10:00:00.250"}
    )

    assert isinstance(event.data, ProcessingStalled)
    assert event.data.silent_since.isoformat() == "2025-06-15T10:00:00.250000+00:00"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (IDENTITY, KEY),
        (IDENTITY | {"stage": ""}, KEY),
        (IDENTITY | {"stage": "a", "attempt": 0}, KEY),
        (IDENTITY | {"stage": "a", "file_id": "upload"}, b"vs_1/upload"),
    ],
)
def test_converted_data_keeps_the_bounds(data: dict[str, Any], key: bytes) -> None:
    with pytest.raises(InvalidRecordError) as rejected:
        read("milepost.stage.started.v0", data, key)

    assert rejected.value.reason == "invalid_data"


@pytest.mark.parametrize("value", [None, b"[1]", b"{", b'{"stage": "\xff"}'])
def test_a_retired_type_without_an_object_is_refused(value: bytes | None) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"old"),
        ("ce_type", b"milepost.stage.started.v0"),
    ]

    with pytest.raises(InvalidRecordError):
        decode(KEY, value, headers)


def test_converted_data_has_the_key_of_its_file() -> None:
    with pytest.raises(InvalidRecordError) as rejected:
        read("milepost.stage.started.v0", IDENTITY | {"stage": "a"}, b"vs_1/file_2")

    assert rejected.value.reason == "key_mismatch"
