"""The status route: plain ASGI, because most requests of the service are this one."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from milepost_query.access.admission import Admission
from milepost_query.access.credential import Credential
from milepost_query.access.places import Places
from milepost_query.addresses import FileAddress
from milepost_query.certainty import Certainty, not_in_store
from milepost_query.edge.call import current_call
from milepost_query.plain_route import refusal
from milepost_query.positions import Positions
from milepost_query.problems import METHOD_NOT_ALLOWED, ProblemError
from milepost_query.shared_reads import NotReadyError
from milepost_query.status import Headers, Status
from milepost_query.waits.preferences import preferred_wait_s
from milepost_query.waits.waiting import Waiting

METHODS: Final = ("GET", "HEAD")


class StatusRoute:
    """Answers `GET` and `HEAD` of a file's status from one shared read of the read model."""

    def __init__(
        self,
        certainty: Certainty,
        admission: Admission,
        *,
        waiting: Waiting,
        waits: Places,
        positions: Positions,
    ) -> None:
        self._positions = positions
        self._certainty = certainty
        self._waiting = waiting
        self._waits = waits
        self._admission = admission

    async def answer(
        self, address: FileAddress, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers one request."""
        headers = current_call().headers
        try:
            caller = self._admit(address, scope["method"], headers)
            if b"milepost-position" in headers:
                await self._positions.reach_sent(headers)
            wait_s = preferred_wait_s(scope["headers"]) if b"prefer" in headers else None
            if wait_s is None:
                status, freshness = await self._certainty.read(address)
            else:
                with self._waits.taken_by(caller):
                    status, freshness = await self._waiting.read(
                        address, headers.get(b"if-none-match"), wait_s=wait_s, receive=receive
                    )
        except (ProblemError, NotReadyError) as error:
            await refusal(error)(scope, receive, send)
        except Exception as error:
            # The caller gets an envelope for a bug, too; the server logs the traceback.
            await refusal(error)(scope, receive, send)
            raise
        else:
            own_headers = freshness.headers
            if wait_s is not None:
                own_headers = (*own_headers, (b"preference-applied", b"wait=%d" % wait_s))
            start = _start(status, own_headers, headers.get(b"if-none-match"))
            await send(start)
            is_bodiless = start["status"] == 304 or scope["method"] == "HEAD"
            await send({"type": "http.response.body", "body": b"" if is_bodiless else status.body})

    def _admit(
        self, address: FileAddress, method: str, headers: Mapping[bytes, bytes]
    ) -> Credential:
        if method not in METHODS:
            raise ProblemError(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(METHODS)})
        caller = self._admission.admit(headers, address.organization_id, budget="status")
        if not address.is_well_formed:
            raise not_in_store(address)
        return caller


def _start(status: Status, own_headers: Headers, if_none_match: bytes | None) -> Message:
    if if_none_match is not None and status.is_named_by(if_none_match):
        code, headers = 304, (*status.headers, *own_headers)
    else:
        code, headers = 200, (*status.body_headers, *own_headers)
    return {"type": "http.response.start", "status": code, "headers": headers}
