"""Routes outside of FastAPI: what one raises becomes the envelope."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from milepost_query.addresses import FileAddress
from milepost_query.edge.call import current_call
from milepost_query.problems import (
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    READ_MODEL_NOT_READY,
    ProblemError,
    problem_response,
)
from milepost_query.shared_reads import NotReadyError
from milepost_query.status import Headers


class Exchange(NamedTuple):
    """A request that is to be answered."""

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    """By lower-case name."""

    def require_method(self, *allowed: str) -> None:
        """Raises ProblemError 405 for any other method."""
        if self.scope["method"] not in allowed:
            raise ProblemError(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(allowed)})


class Answer:
    """A response with a body that is at hand, as it goes out."""

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self._start = {
            "type": "http.response.start",
            "status": status,
            "headers": (*headers, (b"content-length", b"%d" % len(body))),
        }
        self._body = body

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        await send(self._start)
        await send({"type": "http.response.body", "body": self._body})


Respond = Callable[[FileAddress, Exchange], Awaitable[ASGIApp]]


class PlainRoute:
    """Answers with what is made of a request, whether response or problem."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond

    async def answer(
        self, address: FileAddress, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers one request."""
        headers = current_call().headers
        try:
            response = await self._respond(address, Exchange(scope, receive, headers))
        except (ProblemError, NotReadyError) as error:
            response = refusal(error)
        except Exception as error:
            # The caller gets an envelope for a bug, too; the server logs the traceback.
            await refusal(error)(scope, receive, send)
            raise
        await response(scope, receive, send)


def refusal(error: Exception) -> Response:
    """The envelope that the error amounts to."""
    match error:
        case ProblemError():
            problem = error
        case NotReadyError():
            problem = ProblemError(READ_MODEL_NOT_READY)
        case _:
            problem = ProblemError(INTERNAL_ERROR)
    response = problem_response(problem, trace_id=current_call().trace_id)
    response.headers["vary"] = "Prefer"
    return response
