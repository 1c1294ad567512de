"""The HTTP application: its routes, and the envelope around every error."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from milepost_primaries.snapshot_reads import SnapshotReads
from milepost_query import file_routes, health, storage_routes
from milepost_query.access.admission import Admission
from milepost_query.access.places import Places
from milepost_query.addresses import FileAddress, plain_path
from milepost_query.certainty import Certainty
from milepost_query.description.batch_description import STATUSES_PATH
from milepost_query.description.list_description import FILES_PATH
from milepost_query.description.openapi import describe
from milepost_query.description.status_description import STATUS_PATH
from milepost_query.description.stream_description import STREAM_PATH
from milepost_query.docs_page import add_docs_page
from milepost_query.edge import metrics_route
from milepost_query.edge.access_log import AccessLog
from milepost_query.edge.call import current_call
from milepost_query.edge.cross_origin import CrossOrigin
from milepost_query.edge.edge import MAX_BODY_BYTES, Edge, content_too_large
from milepost_query.edge.request_metrics import RequestMetrics
from milepost_query.file_config import Limits
from milepost_query.lists.file_lists import FileLists
from milepost_query.lists.list_route import ListRoute
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
)
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import NotReadyError
from milepost_query.snapshots import Snapshots
from milepost_query.status_route import StatusRoute
from milepost_query.terms import DEFAULT_TERMS, Terms
from milepost_query.waits.batch_route import BatchRoute
from milepost_query.waits.following import Following
from milepost_query.waits.stream_route import StreamRoute
from milepost_query.waits.waiting import Waiting
from milepost_query.waits.waiting_for_many import WaitingForMany

ROUTERS: Final = (
    file_routes.router,
    storage_routes.router,
    health.router,
    metrics_route.router,
)
PLAIN_ROUTES: Final = {
    "files": FILES_PATH,
    "status": STATUS_PATH,
    "stream": STREAM_PATH,
    "statuses": STATUSES_PATH,
}
"""The template of each route that is taken out before any routing."""
FREQUENT: Final = (STATUS_PATH, *health.PROBES)
"""Routes that are asked by the thousand, whatever happens."""

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
    positions: Positions
    waits: Places
    streams: Places
    registry: CollectorRegistry


PlainAnswer = Callable[[FileAddress, Scope, Receive, Send], Coroutine[Any, Any, None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


class QueryApplication(FastAPI):
    """A FastAPI application that takes requests of some routes out before any routing."""

    edge: Edge
    plain_answers: Mapping[str, PlainAnswer]
    """By the names of `PlainPath`."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http":
            return self.edge.answer(self._route, scope, receive, send)
        return super().__call__(scope, receive, send)

    def _route(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if (path := plain_path(scope["raw_path"])) is None:
            return super().__call__(scope, receive, send)
        current_call().route = PLAIN_ROUTES[path.route]
        return self.plain_answers[path.route](path.address, scope, receive, send)

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
    admission: Admission,
    clock: Callable[[], float],
    *,
    terms: Terms = DEFAULT_TERMS,
) -> FastAPI:
    """Puts the routes together; `clock` gives seconds since 1970."""
    metrics = RequestMetrics()
    admission.measure(metrics)
    waits, streams = terms.places("waits"), terms.places("streams")
    metrics.add_gauge("milepost_open_waits", "Requests that wait", lambda: waits.taken)
    metrics.add_gauge("milepost_open_streams", "Streams that are open", lambda: streams.taken)
    read_model = sources.read_model
    snapshots = Snapshots(read_model, sources.snapshot_reads)
    state = State(
        read_model=read_model,
        certainty=Certainty(read_model, clock),
        admission=admission,
        snapshots=snapshots,
        limits=terms.file_limits,
        positions=Positions(read_model),
        waits=waits,
        streams=streams,
        registry=_registry(metrics),
    )
    app = routed_application(_lifespan(state))
    app.edge = Edge(
        CrossOrigin(terms.cors_origins),
        metrics,
        AccessLog(terms.access_log, frequent=FREQUENT),
        refused_after_s=terms.refused_after_s,
    )
    app.plain_answers = _plain_answers(state, sources.following)
    _add_error_responses(app)
    return app


def _registry(metrics: RequestMetrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    return registry


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
        max_body_size=MAX_BODY_BYTES,
    )
    for router in ROUTERS:
        app.include_router(router)
    add_docs_page(app)
    return app


def _plain_answers(state: State, following: Following) -> dict[str, PlainAnswer]:
    certainty, admission, positions = state["certainty"], state["admission"], state["positions"]
    waiting, waits = Waiting(certainty, following), state["waits"]
    status = StatusRoute(certainty, admission, waiting=waiting, waits=waits, positions=positions)
    stream = StreamRoute(
        certainty, admission, positions=positions, waiting=waiting, streams=state["streams"]
    )
    batch = BatchRoute(
        certainty,
        admission,
        positions=positions,
        waiting=WaitingForMany(certainty, following),
        waits=waits,
    )
    files = ListRoute(FileLists(state["snapshots"]), admission, positions)
    return {
        "files": PlainRoute(files.respond).answer,
        "status": status.answer,
        "stream": PlainRoute(stream.respond).answer,
        "statuses": PlainRoute(batch.respond).answer,
    }


def _lifespan(state: State) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        yield state

    return lifespan


def _add_error_responses(app: FastAPI) -> None:
    def respond(error: ProblemError) -> Response:
        return problem_response(error, trace_id=current_call().trace_id)

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> Response:
        return respond(error)

    @app.exception_handler(NotReadyError)
    async def not_ready(_: Request, __: NotReadyError) -> Response:
        return respond(ProblemError(READ_MODEL_NOT_READY))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        return respond(_from_http(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return respond(ProblemError(VALIDATION_ERROR, {"errors": _places(error)}))

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> Response:
        return respond(ProblemError(INTERNAL_ERROR))


def _from_http(error: HTTPException) -> ProblemError:
    if error.status_code == 404:
        return ProblemError(RESOURCE_NOT_FOUND)
    if error.status_code == 413:
        return content_too_large()
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "GET, HEAD")
        return ProblemError(METHOD_NOT_ALLOWED, headers={"allow": allow})
    return ProblemError(VALIDATION_ERROR if error.status_code < 500 else INTERNAL_ERROR)


def _places(error: RequestValidationError) -> list[dict[str, Any]]:
    """What is wrong where, without the values that were sent."""
    return [{key: entry[key] for key in ("loc", "msg", "type")} for entry in error.errors()]
