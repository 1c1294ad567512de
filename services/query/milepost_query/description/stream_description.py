"""The description of the stream, which FastAPI cannot see."""

import json
from typing import Final

from milepost_query.description.openapi_parts import (
    FRESHNESS,
    Json,
    header,
    header_parameter,
    path_parameters,
    problems,
    reference,
)
from milepost_query.description.status_description import EXAMPLES, POSITION, STATUS_PATH
from milepost_query.problems import FILE_NOT_IN_STORE

STREAM_PATH: Final = f"{STATUS_PATH}/stream"

_DESCRIPTION: Final = """\
Server-sent events: the current status at once, then each newer one; a reader that is slower than
the events gets the newest and no backlog. `data` is the body of the status route, `id` is
`<generation>.<revision>`. Comments come every 15 seconds when there is nothing to say.

The stream ends after `completed` or `failed`, when the credentials expire, and when the file is
deleted. It ends with a `retry:` field when the service ends or cannot tell for some time. Come back
with `Last-Event-ID` to be told what is newer: 204 if there is nothing more to come."""

_EVENT: Final = {
    "event": "status",
    "id": "1.7",
    "data": json.dumps(EXAMPLES["processing"], separators=(",", ":")),
}

_EVENT_SCHEMA: Final[Json] = {
    "title": "StatusEvent",
    "description": "Each event of the stream, field by field.",
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"const": "status"},
        "id": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": reference("ProcessingStatus"),
        },
    },
}


def _opened() -> Json:
    return {
        "description": "The stream has begun.",
        "headers": {**FRESHNESS, "Cache-Control": header("`no-store`.")},
        "content": {
            "text/event-stream": {
                "schema": _EVENT_SCHEMA,
                "examples": {"processing": {"value": _EVENT}},
            }
        },
    }


PATHS: Final[Json] = {
    STREAM_PATH: {
        "get": {
            "tags": ["files"],
            "operationId": "stream_processing_status",
            "summary": "Follow the processing status of a file",
            "description": _DESCRIPTION,
            "parameters": [
                *path_parameters("organization_id", "store_id", "file_id"),
                header_parameter(
                    "Last-Event-ID", "The `id` of the last event that the client has seen."
                ),
                POSITION,
            ],
            "responses": {
                200: _opened(),
                204: {"description": "The client has seen the end of the attempt."},
                **problems(FILE_NOT_IN_STORE),
            },
        }
    }
}
