"""The OpenAPI description: each route says what is its own, what all have in common is put in here.

A route of FastAPI says its own with `operation_id`, `responses` and `openapi_extra`, from
`openapi_parts`; a route outside of it has a module with `PATHS`, to be named below.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import product
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from milepost_query.description import (
    batch_description,
    list_description,
    status_description,
    stream_description,
)
from milepost_query.description.openapi_parts import Json, header, header_parameter, problems
from milepost_query.problems import (
    API_KEY_EXPIRED,
    AUTHENTICATION_REQUIRED,
    CONTENT_TOO_LARGE,
    CONTRADICTING_KEYS,
    INSUFFICIENT_PERMISSIONS,
    INTERNAL_ERROR,
    INVALID_API_KEY,
    METHOD_NOT_ALLOWED,
    ORGANIZATION_ACCESS_DENIED,
    RATE_LIMIT_EXCEEDED,
    READ_MODEL_NOT_READY,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKENS_NOT_CHECKED,
    VALIDATION_ERROR,
    Problem,
)
from milepost_schemas import http
from milepost_schemas.json_schema import definitions_of
from milepost_schemas.status_record import FileDocument

_OUTSIDE_FASTAPI: Final = (
    batch_description.PATHS,
    stream_description.PATHS,
    list_description.PATHS,
    status_description.PATHS,
)
"""Descriptions of routes that FastAPI cannot see."""

_MODELS: Final[tuple[type[BaseModel], ...]] = (
    http.ErrorEnvelope,
    http.FileConfig,
    http.FileDetails,
    http.FileList,
    http.FileLog,
    http.ProcessingStatus,
    http.Statuses,
    http.StatusesRequest,
    http.StorageUsage,
)
"""What responses refer to by name; FastAPI knows only the models that its routes return."""

_SECURITY: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`ak_…`), or a JSON Web Token of the configured issuer.",
    },
}

_EVERYWHERE: Final[tuple[Problem, ...]] = (METHOD_NOT_ALLOWED, CONTENT_TOO_LARGE, INTERNAL_ERROR)
"""What every operation may end in."""
_WITH_CREDENTIALS: Final = (
    AUTHENTICATION_REQUIRED,
    INVALID_API_KEY,
    CONTRADICTING_KEYS,
    API_KEY_EXPIRED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKENS_NOT_CHECKED,
    RATE_LIMIT_EXCEEDED,
)
"""What those below `/v1` may end in, too."""
_OF_AN_ORGANIZATION: Final = (
    ORGANIZATION_ACCESS_DENIED,
    INSUFFICIENT_PERMISSIONS,
    READ_MODEL_NOT_READY,
    VALIDATION_ERROR,
)
"""What those that name an organization, and so take a position, may end in, too."""

_REFERENCE: Final = "#/components/schemas/{model}"

_UNUSED_MODELS: Final = ("HTTPValidationError", "ValidationError")
"""Of the answer to invalid input that FastAPI would give by itself."""

_REQUEST_HEADERS: Final = (
    header_parameter(
        "X-Request-Id",
        "Echoed if it is 1 to 128 letters, digits or `_.:-`; else one is made up.",
    ),
    header_parameter("traceparent", "W3C trace context; answer and errors go on with its trace."),
)
_LIMIT_HEADERS: Final[Json] = {
    "RateLimit": header(
        "The budget of the request: what remains, `r`, and in how many seconds it is whole, `t`."
    ),
}
"""Of every answer to a caller who is known, unless its budget has no limit."""
_REFUSAL_HEADERS: Final[Json] = {
    "RateLimit-Policy": header("The same budget: its quota `q`, and its window `w` in s."),
    "X-RateLimit-Limit": header("The quota.", "integer", minimum=1),
    "X-RateLimit-Remaining": header("What remains of it.", "integer", minimum=0),
    "X-RateLimit-Reset": header("When it is whole again, in s since 1970.", "integer", minimum=0),
}
"""Of a refusal for going beyond it."""
_RESPONSE_HEADERS: Final[Json] = {
    "X-Request-Id": header("Names the request in a support question."),
    "traceparent": header("W3C trace context: the client's trace, where it sent one."),
}
"""Of every request and every answer below `/v1`."""


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> Json:
    """The description of all routes, made at the first call; `routers` are those of the app."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for paths in _OUTSIDE_FASTAPI:
            schema["paths"] = {**deepcopy(paths), **schema["paths"]}
        _restore_contents(schema, routers)
        for path, operation in _operations(schema):
            _complete(path, operation)
        schema["components"] = {
            "schemas": _schemas(schema.get("components", {}).get("schemas", {})),
            "securitySchemes": _SECURITY,
        }
        app.openapi_schema = schema
    return app.openapi_schema


def _restore_contents(schema: Json, routers: Iterable[APIRouter]) -> None:
    """Puts back what the routes say of bodies: FastAPI drops what is null in their examples."""
    routes = (route for router in routers for route in router.routes)
    for route in routes:
        if isinstance(route, APIRoute):
            for method, (status, said) in product(route.methods or (), route.responses.items()):
                operation = schema["paths"][route.path][method.lower()]
                if "content" in said:
                    operation["responses"][str(status)]["content"] = deepcopy(said["content"])


def _operations(schema: Json) -> Iterator[tuple[str, Json]]:
    for path, item in schema["paths"].items():
        for operation in item.values():
            yield path, operation


def _complete(path: str, operation: Json) -> None:
    """Adds what the operation has in common with others; its own comes first."""
    kinds = _EVERYWHERE
    if path.startswith("/v1/"):
        operation["security"] = [{"ApiKey": []}, {"Bearer": []}]
        operation["parameters"] = [*operation.get("parameters", ()), *_REQUEST_HEADERS]
        kinds = (*_WITH_CREDENTIALS, *kinds)
    if "{organization_id}" in path:
        kinds = (*_OF_AN_ORGANIZATION, *kinds)
    responses = {str(status): response for status, response in operation["responses"].items()}
    if _UNUSED_MODELS[0] in str(responses.get("422")):
        del responses["422"]
    for status, response in problems(*kinds).items():
        _merge(responses, str(status), response)
    operation["responses"] = dict(sorted(responses.items()))
    if path.startswith("/v1/"):
        for status, response in operation["responses"].items():
            common = _RESPONSE_HEADERS if status == "401" else _LIMIT_HEADERS | _RESPONSE_HEADERS
            if status == "429":
                common = common | _REFUSAL_HEADERS
            response["headers"] = {**response.get("headers", {}), **common}


def _merge(responses: Json, status: str, common: Json) -> None:
    """Adds a response, or its examples to the one that is there."""
    own = responses.setdefault(status, common)
    content = own["content"]["application/json"]
    content["examples"] = {
        **content.get("examples", {}),
        **common["content"]["application/json"]["examples"],
    }


def _schemas(of_fastapi: Json) -> Json:
    models: Any = [(model, "serialization") for model in _MODELS]
    _, definitions = models_json_schema(models, ref_template=_REFERENCE)
    document = definitions_of([FileDocument], _REFERENCE.replace("model", "name"))
    schemas = of_fastapi | definitions["$defs"] | document
    return {name: schema for name, schema in sorted(schemas.items()) if name not in _UNUSED_MODELS}
