"""The description of the route of a store's list, which FastAPI cannot see."""

from typing import Final

from milepost_query.description.file_examples import LISTS
from milepost_query.description.openapi_parts import (
    CACHING,
    FRESHNESS,
    Json,
    found,
    header,
    path_parameters,
    problems,
    query_parameters,
)
from milepost_query.description.status_description import POSITION
from milepost_query.lists.list_query import ListQuery
from milepost_query.problems import VALIDATION_ERROR, VECTOR_STORE_NOT_FOUND

_HEADERS: Final[Json] = {
    "Milepost-Search-Truncated": header(
        "`true` if there are older files, which the search has not looked at."
    ),
    **FRESHNESS,
    **CACHING,
}

FILES_PATH: Final = "/v1/organizations/{organization_id}/stores/{store_id}/files"

PATHS: Final[Json] = {
    FILES_PATH: {
        "get": {
            "tags": ["files"],
            "operationId": "list_files",
            "summary": "List the files of a store",
            "description": "Newest first; of one second, by their ids. What it costs does not "
            "depend on how many files the store has. A store without files is an empty list, "
            "whether it was ever heard of or not.",
            "parameters": [
                *path_parameters("organization_id", "store_id"),
                *query_parameters(ListQuery),
                POSITION,
            ],
            "responses": {
                200: found("A page of the files.", "FileList", LISTS, _HEADERS),
                **problems(VECTOR_STORE_NOT_FOUND, VALIDATION_ERROR),
            },
        }
    }
}
