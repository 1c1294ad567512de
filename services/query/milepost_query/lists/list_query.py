"""What is asked of a list: its filters and the page, as the query of the path says."""

from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from milepost_query.problems import VALIDATION_ERROR, ProblemError
from milepost_schemas.document import Status

MAX_SKIP: Final = 10_000
MAX_LIMIT: Final = 100
MAX_SEARCH: Final = 255
"""No name is longer."""

_REMEMBERED_QUERIES: Final = 4_096
"""Who looks at a list does so again and again."""
_LONGEST_REMEMBERED: Final = 1_024


class ListQuery(BaseModel):
    """The parameters; whatever else is sent is ignored, as it is elsewhere."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    status: Status | None = None
    """Only files whose newest attempt is there."""
    search: str = Field(default="", max_length=MAX_SEARCH)
    """Only files with this in their names, whatever the case; among the newest 10,000, and
    `Milepost-Search-Truncated` says when there are more."""
    skip: int = Field(default=0, ge=0, le=MAX_SKIP)
    """How many files to leave out."""
    limit: int = Field(default=20, ge=1, le=MAX_LIMIT)
    """How many files to answer."""


def list_query(query_string: bytes) -> ListQuery:
    """What the query says.

    Raises:
        ProblemError: 422, with what is wrong where.
    """
    is_short = len(query_string) <= _LONGEST_REMEMBERED
    query = (_remembered if is_short else _parsed)(query_string)
    if isinstance(query, ListQuery):
        return query
    raise ProblemError(VALIDATION_ERROR, {"errors": query})


def _parsed(query_string: bytes) -> ListQuery | list[dict[str, object]]:
    said = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    try:
        return ListQuery.model_validate(dict(said))
    except ValidationError as error:
        return [
            {"loc": ["query", *of["loc"]], "msg": of["msg"], "type": of["type"]}
            for of in error.errors(include_url=False, include_input=False)
        ]


_remembered = lru_cache(maxsize=_REMEMBERED_QUERIES)(_parsed)
