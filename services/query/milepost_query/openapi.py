"""The OpenAPI description: FastAPI's own, and the status route that it cannot see."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from milepost_schemas.http import ErrorEnvelope, ProcessingStatus
from milepost_schemas.identity import IDENTIFIER_PATTERN

STATUS_PATH: Final = "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"

_Json = dict[str, Any]

_DESCRIPTION: Final = """\
Poll it to follow a file after its upload. A file is answered for as soon as the read model knows
it; how old that knowledge is stands in `Milepost-As-Of` and `Milepost-Lag`. 404 is said only when
it is certain that the store had no such file when the request arrived; until then it is 503 with
`Retry-After`."""

_PATH_PARAMETERS: Final = {
    "organization_id": ("The organization, which must be the caller's.", "org_xyz789"),
    "store_id": ("The store that the file was put into.", "vs_abc123"),
    "file_id": ("The file.", "file_abc123def456"),
}

_HEADER_PARAMETERS: Final = {
    "If-None-Match": "ETags the client holds: 304 without a body if one of them still holds.",
    "X-Request-Id": "Echoed if it is 1 to 128 letters, digits or `_.:-`; else one is made up.",
    "traceparent": "W3C trace context; errors carry its trace id.",
}

_HEADERS: Final = {
    "ETag": ("`<generation>.<revision>` of the file's document, quoted.", "string"),
    "Milepost-Attempt": ("The attempt that the status is about, from 1.", "integer"),
    "Milepost-As-Of": ("The answer holds all that the log held at this time.", "string"),
    "Milepost-Lag": ("Records of the log that are known and not yet taken in.", "integer"),
    "Cache-Control": ("`private, no-cache`: to be validated before each use.", "string"),
    "Vary": ("`Prefer`.", "string"),
    "X-Request-Id": ("Names the request in a support question.", "string"),
}

_ERRORS: Final = {
    401: "The credentials are missing, unknown, invalid or expired.",
    403: "The path names another organization, or the credentials lack `files:read`.",
    404: "The organization has no such file in that store.",
    405: "Only GET and HEAD are supported.",
    503: "The read model cannot tell yet; `Retry-After` says when to ask again.",
}

_EXAMPLES: Final = {
    "pending": ("pending", 0, "queued", None, None, None),
    "processing": ("processing", 50, "embedding", None, "2025-06-15T10:00:05Z", None),
    "completed": (
        "completed",
        100,
        None,
        None,
        "2025-06-15T10:00:05Z",
        "2025-06-15T10:02:30Z",
    ),
    "failed": (
        "failed",
        20,
        "extracting",
        "The PDF is protected by a password: remove it and upload the file again.",
        "2025-06-15T10:00:05Z",
        "2025-06-15T10:00:06Z",
    ),
}


def describe(app: FastAPI) -> _Json:
    """The description of all routes, made at the first call."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema["paths"] = {STATUS_PATH: _status_path(), **schema["paths"]}
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {}).update(_models())
        components["securitySchemes"] = {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "Bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`ak_…`)."},
        }
        app.openapi_schema = schema
    return app.openapi_schema


def _models() -> _Json:
    models = [(ProcessingStatus, "serialization"), (ErrorEnvelope, "serialization")]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: _Json = definitions["$defs"]
    return schemas


def _status_path() -> _Json:
    operation = {
        "tags": ["files"],
        "summary": "Get the processing status of a file",
        "description": _DESCRIPTION,
        "security": [{"ApiKey": []}, {"Bearer": []}],
        "parameters": _parameters(),
        "responses": _responses(),
    }
    return {
        "get": {**operation, "operationId": "get_processing_status"},
        "head": {
            **operation,
            "operationId": "head_processing_status",
            "summary": "The same, without the body",
        },
    }


def _parameters() -> list[_Json]:
    identifier = {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$"}
    path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": identifier,
            "example": example,
        }
        for name, (description, example) in _PATH_PARAMETERS.items()
    ]
    headers = [
        {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
        for name, description in _HEADER_PARAMETERS.items()
    ]
    return path + headers


def _responses() -> _Json:
    headers = {
        name: {"description": description, "schema": {"type": type_}}
        for name, (description, type_) in _HEADERS.items()
    }
    examples = {
        name: {"value": dict(zip(ProcessingStatus.model_fields, values, strict=True))}
        for name, values in _EXAMPLES.items()
    }
    found = {
        "description": "Where the processing stands.",
        "headers": headers,
        "content": {"application/json": {"schema": _ref("ProcessingStatus"), "examples": examples}},
    }
    unchanged = {"description": "Nothing has changed since the ETag sent.", "headers": headers}
    return {"200": found, "304": unchanged} | {
        str(status): _error(status, text) for status, text in _ERRORS.items()
    }


def _error(status: int, description: str) -> _Json:
    names = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}
    response: _Json = {
        "description": description,
        "content": {"application/json": {"schema": _ref("ErrorEnvelope")}},
    }
    if name := names.get(status):
        response["headers"] = {name: {"schema": {"type": "string"}}}
    return response


def _ref(model: str) -> _Json:
    return {"$ref": f"#/components/schemas/{model}"}
