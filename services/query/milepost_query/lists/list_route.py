"""The route of a store's list: plain ASGI, because it has a budget of a few status requests."""

from typing import Final

from starlette.types import ASGIApp

from milepost_query.access.admission import Admission
from milepost_query.addresses import FileAddress
from milepost_query.lists.file_lists import FileLists, Window
from milepost_query.lists.list_query import list_query
from milepost_query.lists.newest import StoreFiles
from milepost_query.plain_route import Answer, Exchange
from milepost_query.positions import Positions
from milepost_query.problems import VECTOR_STORE_NOT_FOUND, ProblemError
from milepost_query.status import Headers
from milepost_schemas.identity import is_identifier

_CONSTANT: Final[Headers] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"private, no-cache"),
)
_TRUNCATED: Final[Headers] = ((b"milepost-search-truncated", b"true"),)


class ListRoute:
    """Answers `GET` of a store's files."""

    def __init__(self, file_lists: FileLists, admission: Admission, positions: Positions) -> None:
        self._file_lists = file_lists
        self._admission = admission
        self._positions = positions

    async def respond(self, store: FileAddress, exchange: Exchange) -> ASGIApp:
        """The page that the query asks for.

        Raises:
            ProblemError, NotReadyError: As `FileLists`, or the request is not allowed.
        """
        exchange.require_method("GET")
        self._admission.admit(exchange.headers, store.organization_id)
        if not is_identifier(store.store_id):
            raise ProblemError(VECTOR_STORE_NOT_FOUND, {"store_id": store.store_id})
        query = list_query(exchange.scope["query_string"])
        await self._positions.reach_sent(exchange.headers)
        files = StoreFiles(store.organization_id, store.store_id, query.status)
        window = Window(query.skip, query.limit)
        if query.search:
            page = await self._file_lists.search(files, window, query.search)
        else:
            page = await self._file_lists.page(files, window)
        truncated = _TRUNCATED if page.is_truncated else ()
        return Answer(200, (*_CONSTANT, *page.freshness.headers, *truncated), page.body)
