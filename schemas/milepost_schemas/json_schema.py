"""JSON Schema of what records carry, written from the structs and their docstrings."""

import ast
import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from milepost_schemas import events, status_record
from milepost_schemas.codec import SCHEMA_URN
from milepost_schemas.events import NO_SIGN_OF_LIFE, TYPES, EventData, ProcessingFailed

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CONDITIONS: dict[type[EventData], dict[str, Any]] = {
    ProcessingFailed: {
        "if": {"properties": {"code": {"const": NO_SIGN_OF_LIFE}}},
        "then": {
            "properties": {"silent_since": {"type": "string"}},
            "required": ["silent_since"],
        },
    },
}
"""What a struct checks after its fields."""


def event_schema(type_: str) -> dict[str, Any]:
    """The whole schema of a CloudEvents type's data; unknown fields are allowed."""
    definitions = definitions_of([TYPES[type_]], "#/$defs/{name}")
    own = definitions.pop(TYPES[type_].__name__)
    schema = {"$schema": DIALECT, "$id": f"{SCHEMA_URN}{type_}", **own}
    return schema | {"$defs": definitions} if definitions else schema


def definitions_of(
    data: Sequence[type[msgspec.Struct]], ref_template: str
) -> dict[str, dict[str, Any]]:
    """The schemas of the structs and of those within them, by class name.

    Args:
        data: The structs.
        ref_template: How they refer to each other, with `{name}` for the class name.
    """
    definitions: dict[str, dict[str, Any]]
    _, definitions = msgspec.json.schema_components(data, ref_template=ref_template)
    for name, schema in definitions.items():
        struct = getattr(events, name, None) or getattr(status_record, name)
        for field, description in _descriptions(struct).items():
            schema["properties"][field]["description"] = description
        schema.update(_CONDITIONS.get(struct, {}))
    return definitions


def _descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings under the fields of a struct and of those that it inherits from."""
    descriptions: dict[str, str] = {}
    for ancestor in reversed(struct.__mro__):
        if issubclass(ancestor, msgspec.Struct) and ancestor is not msgspec.Struct:
            descriptions |= _own_descriptions(ancestor)
    return descriptions


def _own_descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    definition = ast.parse(inspect.getsource(struct)).body[0]
    if not isinstance(definition, ast.ClassDef):
        raise TypeError(f"{struct.__name__} is not defined at the top of its module")
    descriptions = {}
    for field, below in pairwise(definition.body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                descriptions[name] = inspect.cleandoc(text)
    return descriptions
