"""What descriptions of operations are put together from: problems, parameters, headers, bodies."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from milepost_query.problems import Problem, envelope
from milepost_schemas.identity import IDENTIFIER_PATTERN
from milepost_schemas.times import parse_time_ms

Json = dict[str, Any]

_EXAMPLE_TRACE: Final = "abc-123-def"
_EXAMPLE_TIME_S: Final = parse_time_ms("2025-06-15T10:00:00Z") / 1000

_DETAILS: Final[Mapping[str, Json]] = {
    "FILE_NOT_IN_STORE": {"file_id": "file_abc123def456", "store_id": "vs_abc123"},
    "VECTOR_STORE_NOT_FOUND": {"store_id": "-"},
    "VALIDATION_ERROR": {
        "errors": [
            {
                "loc": ["query", "limit"],
                "msg": "Input should be less than or equal to 100",
                "type": "less_than_equal",
            }
        ]
    },
    "CONTENT_TOO_LARGE": {"max_bytes": 262_144},
    "RATE_LIMIT_EXCEEDED": {
        "retry_after": 1,
        "limited": "status",
        "limit": 5_000,
        "window_s": 10,
    },
    "INSUFFICIENT_PERMISSIONS": {"required_scope": "files:read"},
}
"""What the examples of some codes say under `details`."""

_PROBLEM_HEADERS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("WWW-Authenticate", "The scheme that is asked for."),
    405: ("Allow", "The methods that the path supports."),
    429: ("Retry-After", "Whole seconds until there can be enough again."),
    503: ("Retry-After", "Whole seconds until it is worth asking again."),
}

PATH_PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "organization_id": ("The organization, which must be the caller's.", "org_xyz789"),
    "store_id": ("The store that the file was put into.", "vs_abc123"),
    "file_id": ("The file.", "file_abc123def456"),
}
"""Description and example of each."""


def reference(model: str) -> Json:
    """Where the schema of a model is."""
    return {"$ref": f"#/components/schemas/{model}"}


def problems(*kinds: Problem) -> dict[int | str, Json]:
    """The responses that these problems end in, by status, an example of each under its code."""
    responses: dict[int | str, Json] = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, _problem_response(kind))
        examples = response["content"]["application/json"]["examples"]
        examples[_example_name(kind, examples)] = {
            "summary": kind.system_message,
            "value": _example(kind),
        }
    return responses


def _problem_response(kind: Problem) -> Json:
    response: Json = {
        "description": f"{kind.message} `code` says which of the examples it is.",
        "content": {"application/json": {"schema": reference("ErrorEnvelope"), "examples": {}}},
    }
    if named := _PROBLEM_HEADERS.get(kind.status):
        name, description = named
        response["headers"] = {name: header(description)}
    return response


def _example_name(kind: Problem, taken: Json) -> str:
    """The code; numbered where several problems have the same."""
    same = sum(name.startswith(kind.code) for name in taken)
    return f"{kind.code}_{same + 1}" if same else kind.code


def _example(kind: Problem) -> Json:
    details = _DETAILS.get(kind.code, {})
    body = envelope(kind, details, trace_id=_EXAMPLE_TRACE, now=_EXAMPLE_TIME_S)
    example: Json = msgspec.json.decode(body)
    return example


def header(description: str, type_: str = "string", **more: object) -> Json:
    """A header of a response."""
    return {"description": description, "schema": {"type": type_, **more}}


def path_parameters(*names: str) -> list[Json]:
    """The parameters of a path, for operations that FastAPI does not describe."""
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$"},
            "example": PATH_PARAMETERS[name][1],
        }
        for name in names
    ]


def query_parameters(model: type[BaseModel]) -> list[Json]:
    """The parameters of a query, one for each field of the model."""
    fields = model.model_json_schema(mode="serialization")["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.pop("description"),
            "schema": _without_null(schema),
        }
        for name, schema in fields.items()
    ]


def _without_null(schema: Json) -> Json:
    """The schema of what a query can say: anything but null."""
    of = schema.pop("anyOf", [schema])[0]
    return {name: said for name, said in of.items() if name != "title"}


def header_parameter(name: str, description: str, **more: object) -> Json:
    """A header that a request may have."""
    schema = {"type": "string", **more}
    return {"name": name, "in": "header", "description": description, "schema": schema}


LOG_POSITION: Final = (
    "`<version>:<partition>:<offset>` of the answer to a write: reads what was written, or "
    "answers 503 if that takes longer than two seconds."
)


def found(
    description: str, model: str, examples: Mapping[str, object], headers: Json | None = None
) -> Json:
    """The response that carries a model, with examples by name."""
    return {
        "description": description,
        "headers": headers or {},
        "content": {
            "application/json": {
                "schema": reference(model),
                "examples": {name: {"value": value} for name, value in examples.items()},
            }
        },
    }


FRESHNESS: Final[Json] = {
    "Milepost-As-Of": header("The answer holds all that the log held at this time.")
    | {"example": "2025-06-15T10:00:07.042Z"},
    "Milepost-Lag": header(
        "Records of the log that are known and not yet taken in.", "integer", minimum=0
    ),
}
"""The headers of every answer from the read model."""

CACHING: Final[Json] = {
    "Cache-Control": header("`private, no-cache`: to be validated before each use."),
}
