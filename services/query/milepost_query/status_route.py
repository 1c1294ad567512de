"""The status route: plain ASGI, because most requests of the service are this one."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from milepost_query.addresses import FileAddress
from milepost_query.authentication import Authentication
from milepost_query.freshness import Freshness
from milepost_query.problems import (
    FILE_NOT_IN_STORE,
    INSUFFICIENT_PERMISSIONS,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    ORGANIZATION_ACCESS_DENIED,
    READ_MODEL_NOT_READY,
    ProblemError,
    problem_response,
    trace_id_of,
)
from milepost_query.read_model import ReadModel
from milepost_query.request_ids import RequestIds
from milepost_query.shared_reads import NotReadyError
from milepost_query.status import Headers, Status

READ_SCOPE: Final = "files:read"
METHODS: Final = ("GET", "HEAD")
KNOWN_WITHIN_S: Final = 2.0
"""Longest wait until the absence of a file is certain."""

READ_AGAIN_AFTER_S: Final = 0.025


class StatusRoute:
    """Answers `GET` and `HEAD` of a file's status from one shared read of the read model."""

    def __init__(
        self,
        read_model: ReadModel,
        authentication: Authentication,
        request_ids: RequestIds,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds since 1970; readers and projectors must agree on it."""
        self._read_model = read_model
        self._authentication = authentication
        self._request_ids = request_ids
        self._clock = clock

    async def answer(
        self, address: FileAddress, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers one request."""
        headers = dict(scope["headers"])
        request_id = self._request_ids.of(headers.get(b"x-request-id"))
        try:
            self._admit(address, scope["method"], headers)
            status, freshness = await self._read_model.read(address)
            if status is None:
                status, freshness = await self._await_certainty(address)
            _require_kept(status, address)
        except (ProblemError, NotReadyError) as error:
            await _refusal(error, headers, request_id)(scope, receive, send)
        except Exception as error:
            # The caller gets an envelope for a bug, too; the server logs the traceback.
            await _refusal(error, headers, request_id)(scope, receive, send)
            raise
        else:
            own_headers = (*freshness.headers, (b"x-request-id", request_id))
            start = _start(status, own_headers, headers.get(b"if-none-match"))
            await send(start)
            is_bodiless = start["status"] == 304 or scope["method"] == "HEAD"
            await send({"type": "http.response.body", "body": b"" if is_bodiless else status.body})

    def _admit(self, address: FileAddress, method: str, headers: Mapping[bytes, bytes]) -> None:
        if method not in METHODS:
            raise ProblemError(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(METHODS)})
        caller = self._authentication.caller(headers)
        if caller.organization_id != address.organization_id:
            raise ProblemError(ORGANIZATION_ACCESS_DENIED)
        if READ_SCOPE not in caller.scopes:
            raise ProblemError(INSUFFICIENT_PERMISSIONS, {"required_scope": READ_SCOPE})
        if not address.is_well_formed:
            raise _not_in_store(address)

    async def _await_certainty(self, address: FileAddress) -> tuple[Status, Freshness]:
        """Reads on until the file is there or certain to be absent.

        As-of and absence are of one read: once as-of is later than now, which is later than the
        request's arrival, what the log held at its arrival has been taken in. An as-of that is
        still to come is of a clock that is wrong.
        """
        now_ms = self._now_ms()
        give_up_at = monotonic() + KNOWN_WITHIN_S
        while monotonic() < give_up_at:
            await asyncio.sleep(READ_AGAIN_AFTER_S)
            status, freshness = await self._read_model.read(address)
            if status is not None:
                return status, freshness
            if now_ms < freshness.as_of_ms <= self._now_ms():
                raise _not_in_store(address)
        raise ProblemError(READ_MODEL_NOT_READY)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _require_kept(status: Status, address: FileAddress) -> None:
    """A deleted file stays deleted, so that its absence is known whatever as-of says."""
    if status.is_deleted:
        raise _not_in_store(address)


def _not_in_store(address: FileAddress) -> ProblemError:
    details = {"file_id": address.file_id, "store_id": address.store_id}
    return ProblemError(FILE_NOT_IN_STORE, details)


def _refusal(error: Exception, headers: Mapping[bytes, bytes], request_id: bytes) -> Response:
    match error:
        case ProblemError():
            problem = error
        case NotReadyError():
            problem = ProblemError(READ_MODEL_NOT_READY)
        case _:
            problem = ProblemError(INTERNAL_ERROR)
    trace_id = trace_id_of(headers.get(b"traceparent"))
    response = problem_response(problem, trace_id=trace_id, request_id=request_id)
    response.headers["vary"] = "Prefer"
    return response


def _start(status: Status, own_headers: Headers, if_none_match: bytes | None) -> Message:
    if if_none_match is not None and status.is_named_by(if_none_match):
        code, headers = 304, (*status.headers, *own_headers)
    else:
        code, headers = 200, (*status.body_headers, *own_headers)
    return {"type": "http.response.start", "status": code, "headers": headers}
