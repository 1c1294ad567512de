"""The statuses of many files of a store in one request, which may wait for their ends."""

from typing import Final

from starlette.types import ASGIApp

from milepost_query.access.admission import Admission
from milepost_query.access.places import Places
from milepost_query.access.rate_limits import cost_of
from milepost_query.addresses import FileAddress, file_address
from milepost_query.certainty import Certainty
from milepost_query.plain_route import Answer, Exchange
from milepost_query.positions import Positions
from milepost_query.problems import VECTOR_STORE_NOT_FOUND, ProblemError
from milepost_query.status import Headers
from milepost_query.waits.batch import answer_body, received_batch
from milepost_query.waits.preferences import preferred_wait_s
from milepost_query.waits.waiting_for_many import WaitingForMany
from milepost_schemas.identity import is_identifier

_HEADERS: Final[Headers] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Prefer"),
)


class BatchRoute:
    """Answers `POST` of a store's statuses."""

    def __init__(
        self,
        certainty: Certainty,
        admission: Admission,
        *,
        positions: Positions,
        waiting: WaitingForMany,
        waits: Places,
    ) -> None:
        self._certainty = certainty
        self._admission = admission
        self._positions = positions
        self._waiting = waiting
        self._waits = waits

    async def respond(self, store: FileAddress, exchange: Exchange) -> ASGIApp:
        """Each file of the body with its status, or with `not_found` if that is certain.

        Raises:
            ProblemError, NotReadyError: As `Certainty.read_each`, or the request is not allowed.
        """
        exchange.require_method("POST")
        caller = self._admission.admit(exchange.headers, store.organization_id, budget="status")
        if not is_identifier(store.store_id):
            raise ProblemError(VECTOR_STORE_NOT_FOUND, {"store_id": store.store_id})
        await self._positions.reach_sent(exchange.headers)
        batch = await received_batch(exchange.receive)
        self._admission.charge(cost_of(len(batch.file_ids)) - 1, budget="status")
        asked = [
            file_address(store.organization_id, store.store_id, file_id)
            for file_id in dict.fromkeys(batch.file_ids)
        ]
        possible = [address for address in asked if address.is_well_formed]
        headers = [*_HEADERS]
        wait_s = preferred_wait_s(exchange.scope["headers"])
        if wait_s is None:
            found = await self._certainty.read_each(possible)
        else:
            headers.append((b"preference-applied", b"wait=%d" % wait_s))
            with self._waits.taken_by(caller):
                found = await self._waiting.read_each(
                    possible, batch.until, wait_s=wait_s, receive=exchange.receive
                )
        return Answer(200, (*headers, *found.freshness_headers), answer_body(asked, found.of))
