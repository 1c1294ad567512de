import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from milepost_schemas.codec import (
    ForeignRecordError,
    InvalidReason,
    InvalidRecordError,
    decode,
    encode,
)
from milepost_schemas.events import TYPES
from milepost_schemas.times import format_ms
from tests.contract.schemas.examples import (
    EXAMPLES,
    Example,
    load,
    orphans,
    paths,
    valid_examples,
)

JUDGED_BY_THE_FOLD = {"wrong_partition", "wrong_organization", "too_many_steps"}
"""Reasons that no record has by itself."""


def read(example: Example) -> dict[str, Any]:
    """What a reader makes of the record, in the example's own terms."""
    try:
        event = decode(*example.record.encode())
    except InvalidRecordError as error:
        return {"invalid": error.reason}
    except ForeignRecordError as error:
        return {"foreign": error.type}
    said = {
        "id": event.id,
        "source": event.source,
        "time": None if event.time_ms is None else format_ms(event.time_ms),
        "type": event.type,
        "data": json.loads(msgspec.json.encode(event.data)),
        "traceparent": event.traceparent,
        "tracestate": event.tracestate,
    }
    return {"event": said}


def expected(example: Example) -> dict[str, Any]:
    if example.event is not None:
        return {"event": msgspec.to_builtins(example.event)}
    return {"invalid": example.invalid} if example.invalid else {"foreign": example.foreign}


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_a_reader_makes_of_the_example_what_it_says(path: Path) -> None:
    example = load(path)

    assert read(example) == expected(example)


@pytest.mark.parametrize(("name", "example"), valid_examples())
def test_the_event_of_an_example_can_be_published_again(name: str, example: Example) -> None:
    event = decode(*example.record.encode())

    record = encode(event)

    assert decode(*record) == event, name
    assert example.event is not None
    assert json.loads(record.value) == example.event.data


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_has_an_example(type_: str) -> None:
    assert type_ in {example.event.type for _, example in valid_examples() if example.event}


def test_every_reason_that_a_record_can_have_has_an_example() -> None:
    reasons = {load(path).invalid for path in paths()} - {None}

    assert reasons == set(get_args(InvalidReason)) - JUDGED_BY_THE_FOLD


def test_no_example_is_an_orphan() -> None:
    assert orphans(EXAMPLES) == []


@pytest.mark.parametrize(
    "orphan",
    [
        "milepost.events/v2/type-of-tomorrow.json",
        "milepost.evnets/v1/mistyped-topic.json",
        "milepost.events/v1/Not Kebab.json",
        "milepost.events/v1/notes.txt",
        "milepost.events/unversioned.json",
        "milepost.events/v1/deeper/down.json",
    ],
)
def test_a_file_that_no_test_reads_is_found(tmp_path: Path, orphan: str) -> None:
    (tmp_path / orphan).parent.mkdir(parents=True)
    (tmp_path / orphan).write_text("{}")

    assert orphans(tmp_path) == [orphan]


@pytest.mark.parametrize(
    "text",
    [
        '{"record": {"key": "a/b", "headers": {}}}',
        '{"record": {"key": "a/b", "headers": {}}, "invalid": "x", "foreign": "y"}',
        '{"record": {"key": "a/b", "headers": {}}, "invald": "x"}',
        '{"record": {"key": "a/b", "header": {}}, "invalid": "x"}',
    ],
)
def test_an_example_that_asserts_nothing_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "example.json"
    path.write_text(text)

    with pytest.raises(msgspec.ValidationError):
        load(path)
