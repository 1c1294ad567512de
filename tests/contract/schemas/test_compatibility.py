"""Schemas of every release stay in `schemas/released/<release>/` as they were then."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from milepost_schemas.codec import UPCASTS
from milepost_schemas.events import TYPES
from milepost_schemas.json_schema import event_schema
from tests.contract.schemas.compatibility import Schema, breaks

RELEASED = Path(__file__).parents[3] / "schemas" / "released"

released = [
    (f"{path.parent.name}/{path.stem}", json.loads(path.read_text(encoding="utf-8")))
    for path in sorted(RELEASED.glob("*/*.json"))
]


def type_of(name: str) -> str:
    return name.partition("/")[2]


@pytest.mark.parametrize(("name", "schema"), released, ids=[name for name, _ in released])
def test_released_data_can_be_read(name: str, schema: Schema) -> None:
    type_ = type_of(name)
    if type_ in UPCASTS:
        return  # read by conversion, which has tests of its own
    assert type_ in TYPES, "a retired type needs an upcast"

    assert breaks(data=schema, reader=event_schema(type_)) == []


@pytest.mark.parametrize(("name", "schema"), released, ids=[name for name, _ in released])
def test_released_readers_can_read_what_is_published_now(name: str, schema: Schema) -> None:
    type_ = type_of(name)
    if type_ in UPCASTS:
        return  # published no more

    assert breaks(data=event_schema(type_), reader=schema) == []


def test_every_type_was_released() -> None:
    assert {type_of(name) for name, _ in released} >= set(TYPES)


STARTED = event_schema("milepost.step.started.v1")
LOGGED = event_schema("milepost.log.recorded.v1")
FAILED = event_schema("milepost.processing.failed.v1")

Change = Callable[[dict[str, Any]], object]


def changed(schema: Schema, change: Change) -> Schema:
    copied = copy.deepcopy(schema)
    change(copied)
    return copied


NARROWED: list[tuple[str, Schema, Change]] = [
    ("a field becomes required", STARTED, lambda s: s["required"].append("plan")),
    ("a longest text shrinks", STARTED, lambda s: s["properties"]["step"].update(maxLength=63)),
    ("a text gets a shortest", LOGGED, lambda s: s["properties"]["message"].update(minLength=1)),
    ("a number gets a limit", STARTED, lambda s: s["properties"]["attempt"].update(maximum=10)),
    ("a least number rises", STARTED, lambda s: s["properties"]["attempt"].update(minimum=2)),
    ("a level is gone", LOGGED, lambda s: s["properties"]["level"]["enum"].remove("debug")),
    ("null is refused", STARTED, lambda s: s["properties"]["plan"]["anyOf"].pop()),
    ("a fraction is refused", STARTED, lambda s: s["properties"]["total_units"]["anyOf"].pop(1)),
    ("a type changes", STARTED, lambda s: s["properties"]["step"].update(type="integer")),
    ("a list shrinks", STARTED, lambda s: s["properties"]["plan"]["anyOf"][0].update(maxItems=9)),
    (
        "a field within becomes narrower",
        STARTED,
        lambda s: s["$defs"]["PlannedStep"]["properties"]["weight"].update(maximum=100),
    ),
    (
        "a field within becomes required",
        STARTED,
        lambda s: s["$defs"]["PlannedStep"]["required"].append("title"),
    ),
    ("a pattern changes", STARTED, lambda s: s["properties"]["store_id"].update(pattern="^vs_")),
    ("a pattern is new", STARTED, lambda s: s["properties"]["step"].update(pattern="^[a-z]+$")),
    ("a condition is new", LOGGED, lambda s: s.update({"if": {}, "then": {"required": ["code"]}})),
    ("unknown fields are refused", LOGGED, lambda s: s.update(additionalProperties=False)),
    ("a keyword nobody knows", LOGGED, lambda s: s.update(dependentRequired={"a": ["b"]})),
    ("a format is new", LOGGED, lambda s: s["properties"]["message"].update(format="uri")),
]


WIDENED: list[tuple[str, Schema, Change]] = [
    ("a field is optional now", STARTED, lambda s: s["required"].remove("step")),
    ("a longest text grows", STARTED, lambda s: s["properties"]["step"].update(maxLength=65)),
    ("a limit is gone", STARTED, lambda s: s["properties"]["attempt"].pop("maximum")),
    ("a level is new", LOGGED, lambda s: s["properties"]["level"]["enum"].append("fatal")),
    ("a pattern is gone", STARTED, lambda s: s["properties"]["store_id"].pop("pattern")),
    (
        "a whole number may be a fraction",
        STARTED,
        lambda s: s["properties"]["attempt"].update(type="number"),
    ),
    (
        "a list may be longer",
        STARTED,
        lambda s: s["properties"]["plan"]["anyOf"][0].pop("maxItems"),
    ),
    ("a condition is gone", FAILED, lambda s: (s.pop("if"), s.pop("then"))),
]


@pytest.mark.parametrize(("why", "schema", "change"), NARROWED, ids=[why for why, _, _ in NARROWED])
def test_a_reader_that_demands_more_breaks(why: str, schema: Schema, change: Change) -> None:
    assert breaks(data=schema, reader=changed(schema, change)), why


@pytest.mark.parametrize(("why", "schema", "change"), WIDENED, ids=[why for why, _, _ in WIDENED])
def test_a_publisher_that_says_more_breaks_old_readers(
    why: str, schema: Schema, change: Change
) -> None:
    assert breaks(data=changed(schema, change), reader=schema), why
    assert breaks(data=schema, reader=changed(schema, change)) == [], why


COMPATIBLE: list[tuple[str, Schema, Change]] = [
    ("nothing", FAILED, lambda _: None),
    ("a text", STARTED, lambda s: s.update(description="Anew.", title="Begun")),
    (
        "a new optional field",
        STARTED,
        lambda s: s["properties"].update(priority={"type": "integer", "maximum": 9}),
    ),
    ("an optional field less", STARTED, lambda s: s["properties"].pop("max_silence_s")),
]


@pytest.mark.parametrize(
    ("why", "schema", "change"), COMPATIBLE, ids=[why for why, _, _ in COMPATIBLE]
)
def test_these_changes_break_nobody(why: str, schema: Schema, change: Change) -> None:
    assert breaks(data=schema, reader=changed(schema, change)) == [], why
    assert breaks(data=changed(schema, change), reader=schema) == [], why


def test_a_required_field_that_is_dropped_breaks_old_readers() -> None:
    def drop(schema: Schema) -> None:
        del schema["properties"]["step"]
        schema["required"].remove("step")

    assert breaks(data=changed(STARTED, drop), reader=STARTED) == ["$.step: is required"]
    assert breaks(data=STARTED, reader=changed(STARTED, drop)) == []


def test_a_break_names_the_field_and_the_fact() -> None:
    narrower = changed(STARTED, lambda s: s["properties"]["attempt"].update(maximum=10))

    assert breaks(data=STARTED, reader=narrower) == ["$.attempt: maximum is 10"]
