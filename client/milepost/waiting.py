"""Waits for a file: the service holds each request as long as it may, else it is polled."""

import re
from typing import Final

import httpx

from milepost.answers import parse
from milepost.conversations import (
    TRANSIENT,
    Conversation,
    Pace,
    Pause,
    Request,
    answered,
)
from milepost.errors import MilepostError, WaitTimeoutError
from milepost_schemas.http import ProcessingStatus

LONGEST_HOLD_S: Final = 30
"""Longest that the service holds a request."""
_LEAST_TIMEOUT_S: Final = 0.1


def wait(path: str, timeout_s: float, pace: Pace) -> Conversation[ProcessingStatus]:
    """Ask until the status is terminal or the time is over; a 404 ends it at once.

    A service that holds requests is not told which revision is known: it answers when the file is
    terminal, so that a file that moves on quickly costs no more requests than one at rest.

    Raises:
        WaitTimeoutError: the time is over.
    """
    waiting = Waiting(path, timeout_s, pace)
    while True:
        yield from waiting.ask(for_news=not waiting.is_held)
        if waiting.status is not None and waiting.status.is_terminal:
            return waiting.status
        waiting.raise_when_over()


class Waiting:
    """A series of requests for the status of one file, none of which outlasts the given time."""

    def __init__(
        self, path: str, timeout_s: float, pace: Pace, *, status: ProcessingStatus | None = None
    ) -> None:
        self.status = status
        """The newest that is known."""
        self.etag: str | None = None
        """What names that status to the service."""
        self.is_held = True
        """The service holds requests, as far as is known."""
        self.cause: MilepostError | None = None
        """Why the last request brought no status."""
        self._path = path
        self._timeout_s = timeout_s
        self._pace = pace
        self._ends_at = pace.clock() + timeout_s
        self._pause_s: float = 0
        self._attempt = 0

    @property
    def left_s(self) -> float:
        """How much of the time is left."""
        return self._ends_at - self._pace.clock()

    def raise_when_over(self) -> None:
        """Raise the error that ends the wait, if the time is over."""
        if self.left_s <= 0:
            raise WaitTimeoutError(self._timeout_s, self.status) from self.cause

    def ask(self, *, for_news: bool) -> Conversation[None]:
        """Make the pause that is due, then one request; an answer is found in `status`."""
        yield from self.pause()
        request = self._request(for_news=for_news)
        asked_at = self._pace.clock()
        answer = yield request
        try:
            response = answered(answer)
        except TRANSIENT as error:
            self.back_off(error, error.retry_after_s)
            return
        if response.status_code != httpx.codes.NOT_MODIFIED:
            self.take(parse(ProcessingStatus, response), response.headers.get("ETag"))
        self.back_off(None)
        if request.held_s:
            held_s = _held_s(response)
            self.is_held = held_s is not None
            if held_s is not None and self._pace.clock() - asked_at >= held_s:
                self._pause_s, self._attempt = 0, 0

    def pause(self) -> Conversation[None]:
        """Make the pause that is due."""
        if self._pause_s > 0 and self.left_s > 0:
            yield Pause(min(self._pause_s, self.left_s))

    def back_off(self, cause: MilepostError | None, least_s: float | None = None) -> None:
        """Make the next pause longer than the one before."""
        self.cause = cause
        self._pause_s = max(self._pace.pause_s(self._attempt), least_s or 0)
        self._attempt += 1

    def take(self, status: ProcessingStatus, etag: str | None) -> None:
        """Take in a status; after news the next pause is a short one."""
        if etag is None or etag != self.etag:
            self._attempt = 0
        self.status, self.etag = status, etag

    def _request(self, *, for_news: bool) -> Request:
        headers = {}
        if for_news and self.etag is not None:
            headers["If-None-Match"] = self.etag
        # What failed may have failed for being held: by a limit, or a proxy's time limit.
        held_s = self._longest_hold_s() if self.is_held and self.cause is None else 0
        if held_s:
            headers["Prefer"] = f"wait={held_s}"
        timeout_s = min(self._pace.timeout_s, max(self.left_s - held_s, _LEAST_TIMEOUT_S))
        return Request(self._path, timeout_s, held_s, headers)

    def _longest_hold_s(self) -> int:
        """Whole seconds, with one to spare for the answer's way."""
        return max(int(min(LONGEST_HOLD_S + 1, self.left_s)) - 1, 0)


def _held_s(response: httpx.Response) -> int | None:
    """How long the service was ready to hold the request, None if it does not hold any."""
    applied = re.search(r"\bwait=(\d+)", response.headers.get("Preference-Applied", ""))
    return int(applied[1]) if applied else None
