"""The description of the batch, which FastAPI cannot see."""

from typing import Final

from milepost_query.description.openapi_parts import (
    FRESHNESS,
    Json,
    found,
    header,
    path_parameters,
    problems,
    reference,
)
from milepost_query.description.status_description import EXAMPLES, POSITION, PREFER, WAITING
from milepost_query.problems import VECTOR_STORE_NOT_FOUND

STATUSES_PATH: Final = "/v1/organizations/{organization_id}/stores/{store_id}/files/status"

_DESCRIPTION: Final = """\
Up to 500 files of a store in one request. Each id is answered with the status object of the status
route, or with `not_found`, which is said only when it is certain; until then it is 503.

With `Prefer: wait=20` the answer comes as soon as any or all of the files have ended, as `until`
says; after that many seconds (at most 30) it is what it would be without waiting."""

_ANSWER: Final[Json] = {
    "files": {
        "file_abc123def456": EXAMPLES["completed"],
        "file_def456abc123": EXAMPLES["processing"],
        "file_unknown": "not_found",
    }
}


def _request_body() -> Json:
    asked = {"file_ids": [*_ANSWER["files"]]}
    examples = {"one look": {"value": asked}, "wait": {"value": {**asked, "until": "any"}}}
    content = {"schema": reference("StatusesRequest"), "examples": examples}
    return {"required": True, "content": {"application/json": content}}


PATHS: Final[Json] = {
    STATUSES_PATH: {
        "post": {
            "tags": ["files"],
            "operationId": "get_processing_statuses",
            "summary": "Get the processing statuses of many files",
            "description": _DESCRIPTION,
            "parameters": [*path_parameters("organization_id", "store_id"), PREFER, POSITION],
            "requestBody": _request_body(),
            "responses": {
                200: found(
                    "Where the processing of each file stands.",
                    "Statuses",
                    {"three files": _ANSWER},
                    {**WAITING, **FRESHNESS, "Cache-Control": header("`no-store`.")},
                ),
                **problems(VECTOR_STORE_NOT_FOUND),
            },
        }
    }
}
