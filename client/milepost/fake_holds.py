"""Requests that the query service answers late, out of a log in memory."""

import re
import time
from typing import Final

import httpx

from milepost.fake_routes import FakeRoutes
from milepost_schemas.http import ProcessingStatus

LONGEST_HOLD_S: Final = 30

_WAIT: Final = re.compile(r"\bwait=(\d+)")
_STATUS: Final = re.compile(r".*/stores/(?P<store_id>[^/]+)/files/(?P<file_id>[^/]+)/status")


class Held:
    """A request that may be held until its answer says what it waits for."""

    def __init__(self, routes: FakeRoutes, request: httpx.Request) -> None:
        self.response = httpx.Response(500)
        """The newest answer."""
        self._routes = routes
        self._request = request
        wait = _WAIT.search(request.headers.get("Prefer", ""))
        self._can_be_held = wait is not None and _STATUS.fullmatch(request.url.path) is not None
        self._held_s = min(int(wait[1]), LONGEST_HOLD_S) if wait else 0
        self._ends_at = time.monotonic() + self._held_s

    @property
    def left_s(self) -> float:
        """How much longer the client would wait."""
        return max(self._ends_at - time.monotonic(), 0)

    def is_over(self) -> bool:
        """Answer anew; whether that is what the request waits for, or the time is over."""
        self.response = self._routes.respond(self._request)
        if not self._can_be_held or self.response.is_error:
            return True
        self.response.headers["Preference-Applied"] = f"wait={self._held_s}"
        if "If-None-Match" in self._request.headers:
            is_enough = self.response.status_code != 304
        else:
            is_enough = _is_terminal(self.response)
        return is_enough or self.left_s <= 0


class Stream:
    """The stream of a file's statuses: the newest there is, whenever it is asked."""

    def __init__(self, routes: FakeRoutes, request: httpx.Request) -> None:
        self.is_over = False
        """The attempt has ended, or the file has gone."""
        self._routes = routes
        self._request = httpx.Request(
            "GET", str(request.url).removesuffix("/stream"), extensions=request.extensions
        )
        self._seen: str = request.headers.get("Last-Event-ID", "")

    def response(self, body: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
        """The beginning of the stream, or why there is none."""
        answer = self._routes.respond(self._request)
        if answer.is_error:
            return answer
        if self._is_seen(answer) and _is_terminal(answer):
            return httpx.Response(204)
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=body)

    def take(self) -> bytes | None:
        """The newest status as an event, if it has not been taken yet."""
        answer = self._routes.respond(self._request)
        if answer.is_error:
            self.is_over = True
            return None
        if self._is_seen(answer):
            return None
        self._seen = _id(answer)
        self.is_over = _is_terminal(answer)
        return b"event: status\nid: %b\ndata: %b\n\n" % (self._seen.encode(), answer.content)

    def _is_seen(self, answer: httpx.Response) -> bool:
        return _id(answer) == self._seen


def _is_terminal(answer: httpx.Response) -> bool:
    return ProcessingStatus.model_validate_json(answer.content).is_terminal


def _id(answer: httpx.Response) -> str:
    etag: str = answer.headers["ETag"]
    return etag.strip('"')
