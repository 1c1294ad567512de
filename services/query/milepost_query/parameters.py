"""The parameters of paths that FastAPI serves.

They are described with their pattern but not held to it: what cannot exist is not found, which is
404, not 422.
"""

from typing import Annotated, Any

from fastapi import Header, Path
from pydantic import WithJsonSchema

from milepost_query.description.openapi_parts import LOG_POSITION, PATH_PARAMETERS
from milepost_schemas.identity import IDENTIFIER_PATTERN
from milepost_schemas.position import HEADER, POSITION_PATTERN


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

LogPosition = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "pattern": f"^{POSITION_PATTERN}$"}),
    Header(
        alias=HEADER,
        description=LOG_POSITION,
    ),
]
