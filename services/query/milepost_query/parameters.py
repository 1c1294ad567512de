"""The parameters of the routes that FastAPI serves.

Identifiers are described with their pattern but not held to it: what cannot exist is not found,
which is 404, not 422.
"""

from typing import Annotated, Any, Final, get_args

from fastapi import Header, Path, Query
from pydantic import WithJsonSchema

from milepost_query.file_lists import MAX_LIMIT, MAX_SKIP
from milepost_query.openapi_parts import LOG_POSITION, PATH_PARAMETERS
from milepost_schemas.document import Status
from milepost_schemas.identity import IDENTIFIER_PATTERN
from milepost_schemas.position import HEADER, POSITION_PATTERN

_MAX_SEARCH: Final = 255
"""No name is longer."""


def _identifier(name: str) -> Any:  # noqa: ANN401  FastAPI's own type for it
    description, example = PATH_PARAMETERS[name]
    return Path(
        description=description,
        openapi_examples={"typical": {"value": example}},
        json_schema_extra={"pattern": f"^{IDENTIFIER_PATTERN}$"},
    )


OrganizationId = Annotated[str, _identifier("organization_id")]
StoreId = Annotated[str, _identifier("store_id")]
FileId = Annotated[str, _identifier("file_id")]

StatusFilter = Annotated[
    Status | None,
    # Without null, which no query can say.
    WithJsonSchema({"type": "string", "enum": [*get_args(Status)]}),
    Query(description="Only files whose newest attempt is there."),
]
Search = Annotated[
    str,
    Query(
        description="Only files with this in their names, whatever the case; among the newest "
        "10,000, and `Milepost-Search-Truncated` says when there are more.",
        max_length=_MAX_SEARCH,
    ),
]
Skip = Annotated[int, Query(description="How many files to leave out.", ge=0, le=MAX_SKIP)]
Limit = Annotated[int, Query(description="How many files to answer.", ge=1, le=MAX_LIMIT)]

LogPosition = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "pattern": f"^{POSITION_PATTERN}$"}),
    Header(
        alias=HEADER,
        description=LOG_POSITION,
    ),
]
