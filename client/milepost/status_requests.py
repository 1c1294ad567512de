"""How to ask for a status: which requests, how often, and when to stop; without any I/O.

Each function is a conversation: a generator that yields what to do next and is sent what came of
it, so that a synchronous and an asynchronous client can carry it out alike.
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import httpx

from milepost.answers import parse_status, raise_for_error
from milepost.errors import (
    InvalidIdentifierError,
    NotReadyError,
    RateLimitedError,
    UnreachableError,
    WaitTimeoutError,
)
from milepost_schemas.http import ProcessingStatus
from milepost_schemas.identity import is_file_id, is_identifier

T = TypeVar("T")

_LEAST_TIMEOUT_S = 0.1
_TRANSIENT = (NotReadyError, RateLimitedError, UnreachableError)


class Get(NamedTuple):
    """Send this request; its answer or its error is what is sent back."""

    path: str
    headers: dict[str, str]
    timeout_s: float


class Pause(NamedTuple):
    """Wait this long; nothing is sent back."""

    seconds: float


Answer = httpx.Response | httpx.RequestError | None
Conversation = Generator[Get | Pause, Answer, T]


@dataclass(frozen=True)
class Pace:
    """How long to wait for answers and between requests."""

    timeout_s: float = 10
    """Longest wait for one answer, in seconds."""
    retries: int = 2
    """Further requests while the service is not ready, too busy or not reachable."""
    longest_retry_after_s: float = 30
    """A service that asks for a longer pause gets no further request, its error is raised."""
    first_pause_s: float = 0.2
    longest_pause_s: float = 5
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def pause_s(self, attempt: int) -> float:
        """Longer with each attempt, from 0, and different for clients that started together."""
        steady = min(self.longest_pause_s, self.first_pause_s * 1.5 ** min(attempt, 20))
        return steady * (0.75 + 0.5 * self.jitter())


def status_path(*, organization_id: str, store_id: str, file_id: str) -> str:
    """The path of a file's status.

    Raises:
        InvalidIdentifierError: an id that nothing can have; it would make another path.
    """
    for name, value in (("organization_id", organization_id), ("store_id", store_id)):
        if not is_identifier(value):
            raise InvalidIdentifierError(name, value)
    if not is_file_id(file_id):
        raise InvalidIdentifierError("file_id", file_id)
    return f"/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"


def ask(path: str, pace: Pace) -> Conversation[ProcessingStatus]:
    """Ask for the status, again while only a pause is needed."""
    attempt = 0
    while True:
        answer = yield Get(path, {}, pace.timeout_s)
        try:
            return parse_status(_response(answer))
        except _TRANSIENT as error:
            retry_after_s = error.retry_after_s or 0
            if attempt == pace.retries or retry_after_s > pace.longest_retry_after_s:
                raise
        yield Pause(max(pace.pause_s(attempt), retry_after_s))
        attempt += 1


def wait(path: str, timeout_s: float, pace: Pace) -> Conversation[ProcessingStatus]:
    """Ask until the status is terminal or the time is over; a 404 ends it at once.

    Raises:
        WaitTimeoutError: the time is over.
    """
    ends_at = pace.clock() + timeout_s
    last: ProcessingStatus | None = None
    headers: dict[str, str] = {}
    attempt = 0
    while True:
        left_s = ends_at - pace.clock()
        timeout = min(pace.timeout_s, max(left_s, _LEAST_TIMEOUT_S))
        answer = yield Get(path, headers, timeout)
        cause, pause_s = None, pace.pause_s(attempt)
        try:
            response = _response(answer)
            raise_for_error(response)
        except _TRANSIENT as error:
            cause, pause_s = error, max(pause_s, error.retry_after_s or 0)
        else:
            if response.status_code != httpx.codes.NOT_MODIFIED:
                last = parse_status(response)
                headers = _condition(response)
                attempt = 0
        if last is not None and last.is_terminal:
            return last
        left_s = ends_at - pace.clock()
        if left_s <= 0:
            raise WaitTimeoutError(timeout_s, last) from cause
        yield Pause(min(pause_s, left_s))
        attempt += 1


def _response(answer: Answer) -> httpx.Response:
    if isinstance(answer, httpx.Response):
        return answer
    raise UnreachableError(f"{type(answer).__name__}: {answer}") from answer


def _condition(response: httpx.Response) -> dict[str, str]:
    """The header that asks for news only."""
    etag = response.headers.get("ETag")
    return {} if etag is None else {"If-None-Match": etag}
