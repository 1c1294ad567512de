from dataclasses import dataclass

import pytest

from milepost_pipeline.relevance import read_event
from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import (
    Event,
    EventData,
    FileDeleted,
    LogRecorded,
    StepProgressed,
)


@dataclass
class ReadRecord:
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int = 0
    timestamp: int = 0


def as_read(record: EncodedRecord) -> ReadRecord:
    return ReadRecord(record.key, record.value, tuple(record.headers))


def encoded(data: EventData) -> EncodedRecord:
    return encode(Event("id", "test", 0, data))


DELETED = FileDeleted(organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=1)


def test_an_event_that_concerns_stages_is_decoded() -> None:
    assert read_event(as_read(encoded(DELETED))) == DELETED


@pytest.mark.parametrize(
    "data",
    [
        StepProgressed(
            organization_id="org_a", store_id="vs_a", file_id="f", attempt=1, step="embedding"
        ),
        LogRecorded(
            organization_id="org_a",
            store_id="vs_a",
            file_id="f",
            attempt=1,
            level="info",
            message="x",
        ),
    ],
)
def test_the_bulk_of_the_log_is_passed_over_without_a_look_at_its_value(data: EventData) -> None:
    record = as_read(encoded(data))
    record.value = None
    assert read_event(record) is None


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("ce_type", b"milepost.file.deleted.v1"),),
        (("ce_type", b"com.example.other"), ("ce_specversion", b"1.0")),
        (("ce_type", b"milepost.mistyped.v1"), ("ce_specversion", b"1.0")),
    ],
)
def test_a_record_that_breaks_the_contract_is_passed_over(
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    record = as_read(encoded(DELETED))
    record.headers = headers
    assert read_event(record) is None


def test_an_event_in_structured_mode_is_read() -> None:
    value = (
        b'{"specversion":"1.0","id":"1","source":"s","type":"milepost.file.deleted.v1","data":'
        b'{"organization_id":"org_a","store_id":"vs_a","file_id":"file_1","attempt":1}}'
    )
    record = ReadRecord(b"vs_a/file_1", value, (("content-type", b"application/cloudevents+json"),))
    assert read_event(record) == DELETED
