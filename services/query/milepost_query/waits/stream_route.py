"""The stream of a file's status: server-sent events, each the newest state there is."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from milepost_query.access.admission import Admission
from milepost_query.access.places import Places
from milepost_query.addresses import FileAddress
from milepost_query.certainty import Certainty, not_in_store
from milepost_query.plain_route import Exchange
from milepost_query.positions import Positions
from milepost_query.problems import ProblemError
from milepost_query.shared_reads import NotReadyError
from milepost_query.status import Headers, Status
from milepost_query.waits.versions import OLDEST, Version, parse_version
from milepost_query.waits.waiting import Follower, Waiting

HEARTBEAT_EVERY_S: Final = 15.0
COME_BACK_WITHIN_MS: Final = (1_000, 5_000)
"""When all streams of a process end at once, their clients come back one after the other."""

_HEARTBEAT: Final = b":\n\n"
_HEADERS: Final[Headers] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class StreamRoute:
    """Answers `GET` of a file's stream."""

    def __init__(
        self,
        certainty: Certainty,
        admission: Admission,
        *,
        positions: Positions,
        waiting: Waiting,
        streams: Places,
    ) -> None:
        self._certainty = certainty
        self._admission = admission
        self._positions = positions
        self._waiting = waiting
        self._streams = streams

    async def respond(self, address: FileAddress, exchange: Exchange) -> ASGIApp:
        """The stream, or 204 if the client has seen the end of the attempt.

        Raises:
            ProblemError, NotReadyError: As `Certainty.read`, or the request is not allowed.
        """
        exchange.require_method("GET")
        headers = exchange.headers
        caller = self._admission.admit(headers, address.organization_id, budget="status")
        if not address.is_well_formed:
            raise not_in_store(address)
        await self._positions.reach_sent(headers)
        seen = parse_version(headers.get(b"last-event-id", b"")) or OLDEST
        status, freshness = await self._certainty.read(address)
        if status.is_terminal and status.version == seen:
            return Response(status_code=204)
        stream = StatusStream(
            self._waiting,
            address,
            (status, seen),
            headers=(*_HEADERS, *freshness.headers),
            seconds_left=partial(self._admission.seconds_left, headers, address.organization_id),
        )
        return self._streams.held_by(caller, stream)


class StatusStream:
    """One open stream, as an answer.

    A slow reader holds up itself alone: while it takes one event, newer states take each other's
    place. The stream ends after a terminal status, when its client has gone or may not read any
    more, when the file has gone or cannot be read for some time, and when the service ends.
    """

    def __init__(
        self,
        waiting: Waiting,
        address: FileAddress,
        begins_with: tuple[Status, Version],
        *,
        headers: Headers,
        seconds_left: Callable[[], float],
    ) -> None:
        """`begins_with` is the current state, and the version that the client has seen.

        Args:
            waiting: What says when there is news.
            address: The file.
            begins_with: The current state, and the version that the client has seen.
            headers: Of the response.
            seconds_left: How long the client may read on; asked before anything is sent.
        """
        self._waiting = waiting
        self._address = address
        self._status, self._seen = begins_with
        self._headers = headers
        self._seconds_left = seconds_left

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        async with self._waiting.follower(self._address, receive) as follower:
            try:
                await self._tell(follower, send)
            except (ProblemError, NotReadyError):
                last_words = b""
            else:
                last_words = self._last_words(follower)
        await send({"type": "http.response.body", "body": last_words})

    async def _tell(self, follower: Follower, send: Send) -> None:
        """Sends each state that is newer than the one before.

        Raises:
            ProblemError, NotReadyError: The file has gone; who asks again is told why.
        """
        while (seconds_left := self._seconds_left()) > 0:
            if self._status.version > self._seen:
                await _send(send, _event(self._status))
                self._seen = self._status.version
                if self._status.is_terminal:
                    return
            if follower.is_client_gone or follower.file.is_lost or self._waiting.is_ending:
                return
            try:
                async with asyncio.timeout(min(seconds_left, HEARTBEAT_EVERY_S)):
                    await follower.woken()
            except TimeoutError:
                await _send(send, _HEARTBEAT)
            news = await follower.news(self._seen)
            if news is not None:
                self._status, _ = news

    def _last_words(self, follower: Follower) -> bytes:
        if follower.file.is_lost or self._waiting.is_ending:
            shortest, longest = COME_BACK_WITHIN_MS
            return b"retry: %d\n\n" % (shortest + secrets.randbelow(longest - shortest))
        return b""


async def _send(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _event(status: Status) -> bytes:
    return b"event: status\nid: %d.%d\ndata: %b\n\n" % (*status.version, status.body)
