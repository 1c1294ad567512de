"""The description of the status route, which FastAPI cannot see."""

from typing import Final

from milepost_query.description.openapi_parts import (
    CACHING,
    FRESHNESS,
    LOG_POSITION,
    Json,
    found,
    header,
    header_parameter,
    path_parameters,
    problems,
)
from milepost_query.problems import FILE_NOT_IN_STORE
from milepost_schemas.http import ProcessingStatus
from milepost_schemas.position import HEADER, POSITION_PATTERN

STATUS_PATH: Final = "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"

_DESCRIPTION: Final = """\
Poll it to follow a file after its upload. A file is answered for as soon as the read model knows
it; how old that knowledge is stands in `Milepost-As-Of` and `Milepost-Lag`. 404 is said only when
it is certain that the store had no such file when the request arrived; until then it is 503 with
`Retry-After`.

Better than to poll is to wait: with `Prefer: wait=20` the answer comes as soon as the attempt has
ended, or, with `If-None-Match`, as soon as there is a newer revision than the client holds; after
that many seconds (at most 30) it is what it would be without waiting."""

DOCUMENT_HEADERS: Final[Json] = {
    "ETag": header("`<generation>.<revision>` of the file's document, quoted."),
    "Milepost-Attempt": header(
        "The attempt that the answer is about, from 1.", "integer", minimum=1
    ),
    **FRESHNESS,
    **CACHING,
}
"""Of every answer that shows one revision of a document."""

IF_NONE_MATCH: Final = header_parameter(
    "If-None-Match", "ETags the client holds: 304 without a body if one of them still holds."
)

PREFER: Final = header_parameter(
    "Prefer", "`wait=N` (RFC 7240): answer late if that helps, within N seconds, at most 30."
)
POSITION: Final = header_parameter(HEADER, LOG_POSITION, pattern=f"^{POSITION_PATTERN}$")

WAITING: Final[Json] = {
    "Vary": header("`Prefer`."),
    "Preference-Applied": header("`wait=N`, if the request would have waited that long."),
}
"""Of every answer that may have been waited for."""

_HEADERS: Final[Json] = {**DOCUMENT_HEADERS, **WAITING}

_VALUES: Final = {
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


EXAMPLES: Final[Json] = {
    name: dict(zip(ProcessingStatus.model_fields, values, strict=True))
    for name, values in _VALUES.items()
}
"""A status of each kind."""


def unchanged(headers: Json) -> Json:
    """The answer to a client that holds the newest revision."""
    return {"description": "Nothing has changed since the ETag sent.", "headers": headers}


def _operation() -> Json:
    return {
        "tags": ["files"],
        "summary": "Get the processing status of a file",
        "description": _DESCRIPTION,
        "parameters": [
            *path_parameters("organization_id", "store_id", "file_id"),
            IF_NONE_MATCH,
            PREFER,
            POSITION,
        ],
        "responses": {
            200: found("Where the processing stands.", "ProcessingStatus", EXAMPLES, _HEADERS),
            304: unchanged(_HEADERS),
            **problems(FILE_NOT_IN_STORE),
        },
    }


PATHS: Final[Json] = {
    STATUS_PATH: {
        "get": {**_operation(), "operationId": "get_processing_status"},
        "head": {
            **_operation(),
            "operationId": "head_processing_status",
            "summary": "The same, without the body",
        },
    }
}
