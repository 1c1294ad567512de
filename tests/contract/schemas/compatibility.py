"""Whether all data that one JSON Schema allows can be read with another.

Asked in both directions: a new reader takes old data, and an old reader takes new data. Readers
ignore fields that they do not know, and publishers send no fields that they do not know. Covers
the keywords that the generated schemas use and calls any other difference a break.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

LOWER_BOUNDS = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
UPPER_BOUNDS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
SAME_OR_FREE = {"pattern", "format", "not", "if", "then"}
"""Keywords that the reader must lack, unless the data has them with the same content."""
STRUCTURE = {"type", "properties", "required", "items", "additionalProperties", "propertyNames"}
CHOICES = {"anyOf", "enum", "const", "$ref"}
NOTES = {"$schema", "$id", "$defs", "title", "description", "default"}
KNOWN = LOWER_BOUNDS | UPPER_BOUNDS | SAME_OR_FREE | STRUCTURE | CHOICES | NOTES


def breaks(data: Schema, reader: Schema) -> list[str]:
    """Why some data of the one schema cannot be read with the other; empty if all of it can.

    Both are whole documents. Each reason begins with the path of the field.
    """
    return list(_Comparison(data, reader).breaks(data, reader, "$"))


class _Comparison:
    def __init__(self, data: Schema, reader: Schema) -> None:
        self._data_definitions = data.get("$defs", {})
        self._reader_definitions = reader.get("$defs", {})

    def breaks(self, data: Schema, reader: Schema, path: str) -> Iterator[str]:
        readers = list(_choices(reader, self._reader_definitions))
        for choice in _choices(data, self._data_definitions):
            tries = [list(self._choice_breaks(choice, one, path)) for one in readers]
            if all(tries):
                yield from min(tries, key=len)

    def _choice_breaks(self, data: Schema, reader: Schema, path: str) -> Iterator[str]:
        for keyword in sorted((set(data) | set(reader)) - KNOWN):
            yield f"{path}: cannot compare {keyword}"
        if "const" in data:
            if not self._reads(reader, data["const"]):
                yield f"{path}: {data['const']!r} is not allowed"
            return
        if "const" in reader:
            yield f"{path}: only {reader['const']!r} is allowed"
        yield from _type_breaks(data, reader, path)
        yield from _bound_breaks(data, reader, path)
        for keyword in sorted(SAME_OR_FREE & set(reader)):
            if data.get(keyword) != reader[keyword]:
                yield f"{path}: {keyword} differs"
        yield from self._inner_breaks(data, reader, path)

    def _inner_breaks(self, data: Schema, reader: Schema, path: str) -> Iterator[str]:
        for name in sorted(set(reader.get("required", [])) - set(data.get("required", []))):
            yield f"{path}.{name}: is required"
        fields = data.get("properties", {})
        for name, schema in reader.get("properties", {}).items():
            if name in fields:
                yield from self.breaks(fields[name], schema, f"{path}.{name}")
        for keyword in ("items", "additionalProperties", "propertyNames"):
            if keyword in reader:
                yield from self.breaks(data.get(keyword, {}), reader[keyword], f"{path}[]")

    def _reads(self, reader: Schema, value: object) -> bool:
        return Draft202012Validator(reader | {"$defs": self._reader_definitions}).is_valid(value)


def _choices(schema: Schema | bool, definitions: Schema) -> Iterator[Schema]:  # noqa: FBT001  a schema may be a bool
    """The schema as alternatives without `anyOf`, `enum`, `$ref` or a list of types."""
    if isinstance(schema, bool):
        yield {} if schema else {"not": {}}
        return
    if "$ref" in schema:
        yield from _choices(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from _choices(choice, definitions)
    elif "enum" in schema:
        yield from ({"const": value} for value in schema["enum"])
    elif isinstance(schema.get("type"), list):
        yield from (schema | {"type": type_} for type_ in schema["type"])
    else:
        yield schema


def _type_breaks(data: Schema, reader: Schema, path: str) -> Iterator[str]:
    wanted, given = reader.get("type"), data.get("type")
    if wanted is None or wanted == given or (wanted, given) == ("number", "integer"):
        return
    yield f"{path}: {given or 'anything'} is not {wanted}"


def _bound_breaks(data: Schema, reader: Schema, path: str) -> Iterator[str]:
    for keyword in sorted(LOWER_BOUNDS & set(reader)):
        if keyword not in data or data[keyword] < reader[keyword]:
            yield f"{path}: {keyword} is {reader[keyword]}"
    for keyword in sorted(UPPER_BOUNDS & set(reader)):
        if keyword not in data or data[keyword] > reader[keyword]:
            yield f"{path}: {keyword} is {reader[keyword]}"
