import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from milepost_query.description.openapi_file import openapi_text
from milepost_schemas.http import ErrorCode

FILE = Path(__file__).parents[3] / "schemas" / "generated" / "openapi.json"


@cache
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(openapi_text())
    return loaded


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in description()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from nodes(inner)


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            for body in response.get("content", {}).values():
                yield operation["operationId"], status, body


def test_what_is_checked_in_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi_text(), "out of date: run `make generate`"


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in nodes(description()) if "$ref" in node]

    assert references
    for reference in references:
        node: Any = description()
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch("[a-z]+(_[a-z]+)+", name), name


def test_every_operation_and_all_that_belongs_to_it_is_described() -> None:
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{where} {parameter['name']}"
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response"), f"{where} {status}"
            for name, header in response.get("headers", {}).items():
                assert header["description"], f"{where} {status} {name}"


def test_every_body_has_an_example_that_fits_it() -> None:
    for name, status, body in bodies():
        schema = {**body["schema"], "components": description()["components"]}
        examples = body.get("examples", {})
        assert examples, f"{name} {status}"
        for example in examples.values():
            Draft202012Validator(schema).validate(example["value"])


def test_every_error_code_is_described_where_it_may_happen() -> None:
    codes = {
        example["value"]["error"]["code"]
        for _, status, body in bodies()
        if status >= "400"
        for example in body["examples"].values()
    }

    # There is no operation where there is no route.
    assert codes == set(get_args(ErrorCode)) - {"RESOURCE_NOT_FOUND"}


@pytest.mark.parametrize("status", ["401", "405", "429", "503"])
def test_errors_that_carry_a_header_say_so(status: str) -> None:
    name = {"401": "WWW-Authenticate", "405": "Allow"}.get(status, "Retry-After")
    responses = [operation["responses"].get(status) for _, _, operation in operations()]

    assert any(responses)
    assert all(name in response["headers"] for response in responses if response)


def test_everything_below_v1_asks_for_credentials() -> None:
    for path, _, operation in operations():
        assert bool(operation.get("security")) == path.startswith("/v1/"), path
