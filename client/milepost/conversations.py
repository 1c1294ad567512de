"""What a client and the query service say to each other, without any I/O.

A conversation is a generator that yields what to do next and is sent what came of it, so that a
synchronous and an asynchronous client can carry it out alike.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import httpx

from milepost.answers import raise_for_error
from milepost.errors import (
    GatewayError,
    NotReadyError,
    RateLimitedError,
    UnreachableError,
)
from milepost_schemas.http import ProcessingStatus

T = TypeVar("T")

TRANSIENT: Final = (NotReadyError, RateLimitedError, GatewayError, UnreachableError)
"""What a pause may cure."""


@dataclass(frozen=True)
class Request:
    """Send this; its answer or its error is what is sent back."""

    path: str
    timeout_s: float
    """Longest time to connect, and to be answered by a service that does not hold the request."""
    held_s: float = 0
    """How long the service is asked to hold the request."""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    params: Mapping[str, str | int] | None = None
    body: Any = None
    """What to send as JSON."""

    @property
    def timeout(self) -> httpx.Timeout:
        """Reading outlasts what the service is asked to hold."""
        return httpx.Timeout(self.timeout_s, read=self.timeout_s + self.held_s)


class Open(NamedTuple):
    """As a request, but of an answer that is a stream only the beginning is sent back."""

    request: Request


class Read(NamedTuple):
    """Read the opened stream on: its next bytes are sent back, none at its end, or an error."""


class Pause(NamedTuple):
    """Wait this long; nothing is sent back."""

    seconds: float


class Tell(NamedTuple):
    """Give this to the caller; nothing is sent back."""

    status: ProcessingStatus


Step = Request | Open | Read | Pause | Tell
Answer = httpx.Response | httpx.RequestError | bytes | None
Conversation = Generator[Step, Answer, T]


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


def ask(request: Request, parse: Callable[[httpx.Response], T], pace: Pace) -> Conversation[T]:
    """Ask once, and again while only a pause is needed."""
    attempt = 0
    while True:
        answer = yield request
        try:
            return parse(answered(answer))
        except TRANSIENT as error:
            retry_after_s = error.retry_after_s or 0
            if attempt == pace.retries or retry_after_s > pace.longest_retry_after_s:
                raise
        yield Pause(max(pace.pause_s(attempt), retry_after_s))
        attempt += 1


def answered(answer: Answer) -> httpx.Response:
    """The answer, if it is one that says what was asked for.

    Raises:
        ApiError: it is an error, by its HTTP status.
        UnreachableError: there is none.
    """
    if isinstance(answer, httpx.RequestError):
        raise UnreachableError(f"{type(answer).__name__}: {answer}") from answer
    if not isinstance(answer, httpx.Response):
        raise TypeError(f"no answer to a request: {answer!r}")
    raise_for_error(answer)
    return answer
