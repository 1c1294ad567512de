"""The HTTP application: its routes, and the envelope around every error."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from milepost_primaries.snapshot_reads import SnapshotReads
from milepost_query import file_routes, health, storage_routes
from milepost_query.addresses import FileAddress, plain_path
from milepost_query.admission import Admission
from milepost_query.authentication import Authentication
from milepost_query.batch_route import BatchRoute
from milepost_query.certainty import Certainty
from milepost_query.docs_page import add_docs_page
from milepost_query.file_config import Limits
from milepost_query.file_lists import FileLists
from milepost_query.following import Following
from milepost_query.list_route import ListRoute
from milepost_query.openapi import describe
from milepost_query.plain_route import PlainRoute
from milepost_query.positions import Positions
from milepost_query.problems import (
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    READ_MODEL_NOT_READY,
    RESOURCE_NOT_FOUND,
    VALIDATION_ERROR,
    ProblemError,
    problem_response,
    trace_id_of,
)
from milepost_query.read_model import ReadModel
from milepost_query.request_ids import RequestIds
from milepost_query.shared_reads import NotReadyError
from milepost_query.snapshots import Snapshots
from milepost_query.status_route import StatusRoute
from milepost_query.stream_route import StreamRoute
from milepost_query.waiting import Waiting
from milepost_query.waiting_for_many import WaitingForMany

ROUTERS: Final = (file_routes.router, storage_routes.router, health.router)

_TELEMETRY: Final[TelemetryConfig] = {
    "auto_configure": False,
    "tracing": False,
    "metrics": False,
    "logs": False,
}

_log = structlog.get_logger()


class State(TypedDict):
    """What every request finds in `request.state`."""

    read_model: ReadModel
    certainty: Certainty
    admission: Admission
    snapshots: Snapshots
    limits: Limits
    request_ids: RequestIds
    positions: Positions


PlainAnswer = Callable[[FileAddress, Scope, Receive, Send], Coroutine[Any, Any, None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


class QueryApplication(FastAPI):
    """A FastAPI application that takes requests of some routes out before any routing."""

    plain_answers: Mapping[str, PlainAnswer]
    """By the names of `PlainPath`."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http" and (path := plain_path(scope["raw_path"])) is not None:
            return self.plain_answers[path.route](path.address, scope, receive, send)
        return super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        return describe(self, ROUTERS)


@dataclass(frozen=True)
class Sources:
    """Where answers come from."""

    read_model: ReadModel
    snapshot_reads: SnapshotReads
    following: Following


def create_application(
    sources: Sources,
    authentication: Authentication,
    clock: Callable[[], float],
    *,
    limits: Limits,
) -> FastAPI:
    """Puts the routes together; `clock` gives seconds since 1970."""
    read_model = sources.read_model
    request_ids = RequestIds()
    snapshots = Snapshots(read_model, sources.snapshot_reads)
    state = State(
        read_model=read_model,
        certainty=Certainty(read_model, clock),
        admission=Admission(authentication),
        snapshots=snapshots,
        limits=limits,
        request_ids=request_ids,
        positions=Positions(read_model),
    )
    app = routed_application(_lifespan(state))
    app.plain_answers = _plain_answers(state, sources.following, clock)
    _add_error_responses(app, request_ids)
    return app


def routed_application(lifespan: Lifespan | None = None) -> QueryApplication:
    """All routes and their description; they answer only with the state of a lifespan."""
    app = QueryApplication(
        title="Milepost",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry=_TELEMETRY,
    )
    for router in ROUTERS:
        app.include_router(router)
    add_docs_page(app)
    return app


def _plain_answers(
    state: State, following: Following, clock: Callable[[], float]
) -> dict[str, PlainAnswer]:
    certainty, admission, positions = state["certainty"], state["admission"], state["positions"]
    request_ids = state["request_ids"]
    waiting = Waiting(certainty, following)
    status = StatusRoute(certainty, admission, request_ids, waiting=waiting, positions=positions)
    stream = StreamRoute(certainty, admission, positions=positions, waiting=waiting, clock=clock)
    batch = BatchRoute(
        certainty, admission, positions=positions, waiting=WaitingForMany(certainty, following)
    )
    files = ListRoute(FileLists(state["snapshots"]), admission, positions)
    return {
        "files": PlainRoute(request_ids, files.respond).answer,
        "status": status.answer,
        "stream": PlainRoute(request_ids, stream.respond).answer,
        "statuses": PlainRoute(request_ids, batch.respond).answer,
    }


def _lifespan(state: State) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        yield state

    return lifespan


def _add_error_responses(app: FastAPI, request_ids: RequestIds) -> None:
    def respond(request: Request, error: ProblemError) -> Response:
        sent = request.headers.get("x-request-id", "").encode("latin-1")
        traceparent = request.headers.get("traceparent", "").encode("latin-1")
        return problem_response(
            error, trace_id=trace_id_of(traceparent), request_id=request_ids.of(sent)
        )

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> Response:
        return respond(request, error)

    @app.exception_handler(NotReadyError)
    async def not_ready(request: Request, _: NotReadyError) -> Response:
        return respond(request, ProblemError(READ_MODEL_NOT_READY))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return respond(request, _from_http(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return respond(request, ProblemError(VALIDATION_ERROR, {"errors": _places(error)}))

    @app.exception_handler(Exception)
    async def bug(request: Request, _: Exception) -> Response:
        return respond(request, ProblemError(INTERNAL_ERROR))


def _from_http(error: HTTPException) -> ProblemError:
    if error.status_code == 404:
        return ProblemError(RESOURCE_NOT_FOUND)
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "GET, HEAD")
        return ProblemError(METHOD_NOT_ALLOWED, headers={"allow": allow})
    return ProblemError(VALIDATION_ERROR if error.status_code < 500 else INTERNAL_ERROR)


def _places(error: RequestValidationError) -> list[dict[str, Any]]:
    """What is wrong where, without the values that were sent."""
    return [{key: entry[key] for key in ("loc", "msg", "type")} for entry in error.errors()]
