"""Watches a file: over a stream of its statuses, or by waiting where there is no stream."""

from typing import Final

import httpx

from milepost.answers import parse_text
from milepost.conversations import (
    TRANSIENT,
    Conversation,
    Open,
    Pace,
    Read,
    Request,
    Tell,
    answered,
)
from milepost.errors import ApiError
from milepost.event_stream import EventStream, ServerSentEvent
from milepost.waiting import Waiting
from milepost_schemas.http import ProcessingStatus

LONGEST_SILENCE_S: Final = 30
"""A stream without a byte for so long is broken: the service sends some every 15 seconds."""

_NOT_THERE: Final = {404, 405, 406, 501}


def watch(path: str, timeout_s: float, pace: Pace) -> Conversation[None]:
    """Tell what the status is, then each one that differs, up to a terminal one.

    A stream cannot be left in the middle of its silence: when the time left is less than the
    longest, requests that end in time take its place.

    Raises:
        WaitTimeoutError: the time is over.
    """
    waiting = Waiting(path, timeout_s, pace)
    stream = _Stream(path, waiting, pace)
    while waiting.status is None or not waiting.status.is_terminal:
        if stream.is_there and waiting.cause is None and waiting.left_s > LONGEST_SILENCE_S:
            yield from stream.follow()
        else:
            told = waiting.status
            yield from waiting.ask(for_news=True)
            if waiting.status is not None and waiting.status != told:
                yield Tell(waiting.status)
        if waiting.status is None or not waiting.status.is_terminal:
            waiting.raise_when_over()


class _Stream:
    """The stream of a file's statuses, connected again and again."""

    def __init__(self, path: str, waiting: Waiting, pace: Pace) -> None:
        self.is_there = True
        """As far as is known; a proxy may swallow it."""
        self._path = f"{path}/stream"
        self._waiting = waiting
        self._pace = pace

    def follow(self) -> Conversation[None]:
        """Tell what one connection says that is new; a pause is due afterwards."""
        yield from self._waiting.pause()
        answer = yield Open(self._request())
        try:
            response = answered(answer)
        except TRANSIENT as error:
            self._waiting.back_off(error, error.retry_after_s)
            return
        except ApiError as error:
            # Whether it is the route or the file that is not there, the status route tells.
            if error.status not in _NOT_THERE:
                raise
            self.is_there = False
            return
        self.is_there = _is_stream(response)
        if self.is_there:
            yield from self._read()

    def _read(self) -> Conversation[None]:
        events = EventStream()
        is_silent = True
        while self._waiting.left_s > LONGEST_SILENCE_S:
            chunk = yield Read()
            if not chunk or not isinstance(chunk, bytes):
                # An end after nothing, or no end and nothing: somebody holds it back.
                has_failed = isinstance(chunk, httpx.RequestError)
                is_late = isinstance(chunk, httpx.ReadTimeout)
                self.is_there = not is_silent or (has_failed and not is_late)
                break
            is_silent = False
            for event in events.feed(chunk):
                yield from self._take(event)
            if self._waiting.status is not None and self._waiting.status.is_terminal:
                return
        self._waiting.back_off(None, events.retry_s)

    def _take(self, event: ServerSentEvent) -> Conversation[None]:
        if event.name != "status" or not self._is_newer(event.id):
            return
        told = self._waiting.status
        self._waiting.take(
            parse_text(ProcessingStatus, event.data, self._path),
            f'"{event.id}"' if event.id else None,
        )
        if self._waiting.status is not None and self._waiting.status != told:
            yield Tell(self._waiting.status)

    def _is_newer(self, event_id: str) -> bool:
        new, known = _version(event_id), _version(self._last_id)
        return new is None or known is None or new > known

    def _request(self) -> Request:
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        return Request(
            self._path,
            timeout_s=self._pace.timeout_s,
            held_s=max(LONGEST_SILENCE_S - self._pace.timeout_s, 0),
            headers=headers,
        )

    @property
    def _last_id(self) -> str:
        """The id of the newest status, which is also what its ETag quotes."""
        return (self._waiting.etag or "").removeprefix("W/").strip('"')


def _is_stream(response: httpx.Response) -> bool:
    """204 is said to whoever knows a terminal status already; the status route tells which."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    return response.status_code == httpx.codes.OK and media_type.strip() == "text/event-stream"


def _version(event_id: str) -> tuple[int, int] | None:
    """Generation and revision, to be compared as a pair."""
    generation, _, revision = event_id.partition(".")
    if not (generation.isdecimal() and revision.isdecimal()):
        return None
    return int(generation), int(revision)
