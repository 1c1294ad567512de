"""One suite for the fake clients and for the real ones at a real query service."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from milepost import AsyncMilepost, Cadence, Milepost
from milepost.errors import (
    AuthenticationError,
    InvalidIdentifierError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    WaitTimeoutError,
)
from milepost.memory_log import MemoryLog
from milepost.sync_reporter import FileReport
from milepost.testing import FakeAsyncMilepost, FakeMilepost, FakeReporter
from milepost_local.servers import Server
from milepost_schemas.http import ProcessingStatus
from tests.contract.client.query_service import API_KEY, RedisLog, running_query_service

SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@dataclass(frozen=True)
class World:
    """Where files are reported, and how their statuses are asked for."""

    log: MemoryLog
    ask: Callable[..., Any]
    """Calls a method of `knowledge` by its name; of a stream, gives all that it tells."""

    def status(self, file_id: str, organization_id: str = "org_1") -> ProcessingStatus:
        status: ProcessingStatus = self.ask(
            "get_processing_status",
            organization_id=organization_id,
            store_id="vs_1",
            file_id=file_id,
        )
        return status

    def wait(self, file_id: str, timeout_s: float) -> ProcessingStatus:
        status: ProcessingStatus = self.ask(
            "wait_until_processed",
            organization_id="org_1",
            store_id="vs_1",
            file_id=file_id,
            timeout_s=timeout_s,
        )
        return status

    def watch(
        self, file_id: str, timeout_s: float = 60, *, then: Callable[[], object] = int
    ) -> list[ProcessingStatus]:
        """All that is told; `then` is done once after the first of it."""
        statuses: list[ProcessingStatus] = self.ask(
            "watch",
            organization_id="org_1",
            store_id="vs_1",
            file_id=file_id,
            timeout_s=timeout_s,
            then=then,
        )
        return statuses

    def report(
        self,
        file_id: str,
        work: Callable[[FileReport], object],
        *,
        attempt: int = 1,
        store_id: str = "vs_1",
    ) -> None:
        with FakeReporter(self.log, cadence=SLOW) as reporter:
            work(
                reporter.file(
                    organization_id="org_1", store_id=store_id, file_id=file_id, attempt=attempt
                )
            )


@pytest.fixture(scope="module")
def service(
    redis_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, RedisLog]]:
    directory = tmp_path_factory.mktemp("query")
    with (
        closing(RedisLog(redis_server.address, "mp-contract")) as log,
        running_query_service(redis_server.address, "mp-contract", directory) as url,
    ):
        yield url, log


@pytest.fixture(params=["fake", "fake async", "real", "real async"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        log = MemoryLog()
        return World(log, _sync(lambda: FakeMilepost(log, organization_id="org_1")))
    if request.param == "fake async":
        log = MemoryLog()
        return World(log, _async(lambda: FakeAsyncMilepost(log, organization_id="org_1")))
    url, redis_log = request.getfixturevalue("service")
    if request.param == "real":
        return World(redis_log, _sync(lambda: Milepost(base_url=url, api_key=API_KEY)))
    return World(redis_log, _async(lambda: AsyncMilepost(base_url=url, api_key=API_KEY)))


def _sync(connect: Callable[[], Milepost]) -> Callable[..., Any]:
    def ask(method: str, *, then: Callable[[], object] = int, **arguments: Any) -> Any:
        with connect() as client:
            answer = getattr(client.knowledge, method)(**arguments)
            if not isinstance(answer, Generator):
                return answer
            first = next(answer)
            then()
            return [first, *answer]

    return ask


def _async(connect: Callable[[], AsyncMilepost]) -> Callable[..., Any]:
    async def ask(method: str, *, then: Callable[[], object] = int, **arguments: Any) -> Any:
        async with connect() as client:
            answer = getattr(client.knowledge, method)(**arguments)
            if not isinstance(answer, AsyncGenerator):
                return await answer
            first = await anext(answer)
            then()
            return [first, *[told async for told in answer]]

    return lambda method, **arguments: asyncio.run(ask(method, **arguments))


def _register(file: FileReport) -> None:
    file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")


def _half(file: FileReport) -> None:
    _register(file)
    step = file.step("embedding", plan={"chunking": 1, "embedding": 1})
    with file.step("chunking", plan={"chunking": 1, "embedding": 1}):
        pass
    step.__enter__()


def _complete(file: FileReport) -> None:
    _register(file)
    file.completed(chunk_count=1)


def _fail(file: FileReport) -> None:
    _register(file)
    file.failed("empty", "The file is empty; upload one with content.", step="extracting")


def test_a_registered_file_is_pending(world: World, unique: str) -> None:
    world.report(unique, _register)

    status = world.status(unique)

    assert status.model_dump() == {
        "status": "pending",
        "progress_percent": 0,
        "current_step": "queued",
        "error_message": None,
        "started_at": None,
        "completed_at": None,
    }


def test_a_file_at_work_shows_its_step_and_percentage(world: World, unique: str) -> None:
    world.report(unique, _half)

    status = world.status(unique)

    assert (status.status, status.progress_percent) == ("processing", 50)
    assert status.current_step == "embedding"
    assert status.started_at is not None


def test_a_failed_file_says_what_to_do(world: World, unique: str) -> None:
    world.report(unique, _fail)

    status = world.wait(unique, timeout_s=10)

    assert status.status == "failed"
    assert status.error_message == "The file is empty; upload one with content."
    assert status.is_terminal


def test_waiting_sees_the_completion(world: World, unique: str) -> None:
    world.report(unique, _half)
    completing = threading.Timer(0.3, world.report, (unique, lambda file: file.completed()))
    completing.start()

    status = world.wait(unique, timeout_s=20)

    completing.join()
    assert (status.status, status.progress_percent) == ("completed", 100)


def test_waiting_too_long_ends_with_the_last_status(world: World, unique: str) -> None:
    world.report(unique, _half)

    with pytest.raises(WaitTimeoutError) as caught:
        world.wait(unique, timeout_s=0.6)

    assert caught.value.last_status == world.status(unique)


def test_a_retried_file_is_pending_again(world: World, unique: str) -> None:
    world.report(unique, _fail)
    world.report(unique, lambda file: file.requested(reason="retry"))

    assert world.status(unique).status == "pending"
    world.report(unique, lambda file: file.completed(), attempt=2)
    assert world.status(unique).status == "completed"


def test_a_file_that_was_never_there_is_not_found(world: World, unique: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        world.status(unique)

    assert caught.value.code == "FILE_NOT_IN_STORE"
    assert caught.value.details == {"file_id": unique, "store_id": "vs_1"}
    assert caught.value.trace_id


def test_waiting_for_a_file_that_was_never_there_ends_at_once(world: World, unique: str) -> None:
    with pytest.raises(NotFoundError):
        world.wait(unique, timeout_s=60)


def test_a_deleted_file_is_not_found(world: World, unique: str) -> None:
    world.report(unique, _complete)
    world.report(unique, lambda file: file.deleted())

    with pytest.raises(NotFoundError):
        world.status(unique)


def test_another_organization_is_out_of_reach(world: World, unique: str) -> None:
    world.report(unique, _complete)

    with pytest.raises(PermissionDeniedError) as caught:
        world.status(unique, organization_id="org_2")

    assert caught.value.code == "ORGANIZATION_ACCESS_DENIED"


def test_an_id_that_no_file_can_have_is_never_asked_for(world: World) -> None:
    with pytest.raises(InvalidIdentifierError, match="file_id"):
        world.status("../secret")


class Counting(httpx.HTTPTransport):
    """Remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rpartition("/files/")[2])
        return super().handle_request(request)


@pytest.mark.parametrize(
    ("method", "asked"), [("wait_until_processed", "status"), ("watch", "status/stream")]
)
def test_the_real_service_holds_one_request_to_the_end(
    service: tuple[str, RedisLog], unique: str, method: str, asked: str
) -> None:
    url, log = service
    world, transport = World(log, pytest.fail), Counting()
    world.report(unique, _half)
    completing = threading.Timer(1, world.report, (unique, lambda file: file.completed()))
    completing.start()
    with Milepost(base_url=url, api_key=API_KEY, transport=transport) as client:
        answer = getattr(client.knowledge, method)(
            organization_id="org_1", store_id="vs_1", file_id=unique, timeout_s=60
        )
        ends = [status.status for status in answer] if method == "watch" else [answer.status]

    completing.join()
    assert ends[-1] == "completed"
    assert transport.asked == [f"{unique}/{asked}"]


def test_a_key_that_is_none_is_refused_by_the_real_service(service: tuple[str, RedisLog]) -> None:
    url, _ = service
    with (
        Milepost(base_url=url, api_key="ak_wrong") as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.knowledge.get_processing_status(
            organization_id="org_1", store_id="vs_1", file_id="file_1"
        )

    assert caught.value.code == "INVALID_API_KEY"


def test_many_files_are_asked_for_at_once(world: World, unique: str) -> None:
    done, half, gone = f"{unique}-a", f"{unique}-b", f"{unique}-c"
    world.report(done, _complete)
    world.report(half, _half)
    world.report(gone, lambda file: file.deleted())

    statuses = world.ask(
        "get_processing_statuses",
        organization_id="org_1",
        store_id="vs_1",
        file_ids=[half, "never", done, gone, half],
    )

    assert list(statuses) == [half, "never", done, gone]
    assert statuses == {
        half: world.status(half),
        "never": None,
        done: world.status(done),
        gone: None,
    }


def test_more_files_than_a_request_takes_are_asked_for_in_parts(world: World, unique: str) -> None:
    world.report(unique, _complete)
    others = [f"{unique}-{number}" for number in range(1_001)]

    statuses = world.ask(
        "get_processing_statuses",
        organization_id="org_1",
        store_id="vs_1",
        file_ids=[*others, unique],
    )

    assert len(statuses) == 1_002
    assert [name for name, status in statuses.items() if status is not None] == [unique]


def test_watching_tells_what_is_and_what_becomes_of_it(world: World, unique: str) -> None:
    world.report(unique, _half)

    told = world.watch(unique, then=lambda: world.report(unique, lambda file: file.completed()))

    shown = [(status.status, status.progress_percent) for status in told]
    assert shown == [("processing", 50), ("completed", 100)]


def test_watching_a_file_that_has_ended_tells_that_alone(world: World, unique: str) -> None:
    world.report(unique, _fail)

    assert world.watch(unique) == [world.status(unique)]


def test_watching_a_file_that_was_never_there_ends_at_once(world: World, unique: str) -> None:
    with pytest.raises(NotFoundError):
        world.watch(unique)


def test_watching_a_file_that_is_deleted_meanwhile_ends(world: World, unique: str) -> None:
    world.report(unique, _half)

    with pytest.raises(NotFoundError):
        world.watch(unique, then=lambda: world.report(unique, lambda file: file.deleted()))


def test_watching_too_long_ends_with_the_last_status(world: World, unique: str) -> None:
    world.report(unique, _half)

    with pytest.raises(WaitTimeoutError) as caught:
        world.watch(unique, timeout_s=0.6)

    assert caught.value.last_status == world.status(unique)


def test_a_store_lists_its_files(world: World, unique: str) -> None:
    store = {"organization_id": "org_1", "store_id": unique}
    for file_id, work in (("a", _complete), ("b", _fail), ("c", _register)):
        world.report(file_id, work, store_id=unique)
    world.report("gone", _register, store_id=unique)
    world.report("gone", lambda file: file.deleted(), store_id=unique)

    everything = world.ask("list_files", **store)
    pages = [world.ask("list_files", **store, skip=skip, limit=2) for skip in (0, 2)]

    assert [item.file_id for item in everything.items] == ["c", "b", "a"]
    assert (everything.total, everything.limit, everything.has_more) == (3, 20, False)
    assert [*pages[0].items, *pages[1].items] == [*everything.items]
    assert [page.has_more for page in pages] == [True, False]
    (failed,) = world.ask("list_files", **store, status="failed").items
    assert (failed.file_id, failed.name, failed.size) == ("b", "a.txt", 3)
    assert failed.error_message == "The file is empty; upload one with content."
    assert failed.processed_at is not None
    assert world.ask("list_files", **store, search="A.T").total == 3
    assert world.ask("list_files", **store, search="b").items == ()
    with pytest.raises(InvalidRequestError):
        world.ask("list_files", **store, limit=101)


def test_a_file_has_details(world: World, unique: str) -> None:
    world.report(unique, _complete)
    file = {"organization_id": "org_1", "store_id": "vs_1", "file_id": unique}

    details = world.ask("get_file", **file)

    assert (details.file_id, details.name, details.size) == (unique, "a.txt", 3)
    assert (details.status, details.chunk_count, details.mime_type) == (
        "completed",
        1,
        "text/plain",
    )
    assert details.processing_completed_at >= details.created_at
    with pytest.raises(NotFoundError):
        world.ask("get_file", **file | {"file_id": "never"})


def test_a_file_has_a_log(world: World, unique: str) -> None:
    world.report(unique, _register)
    world.report(unique, lambda file: file.log("info", "12 pages found"))
    world.report(unique, lambda file: file.log("warning", "Page 7 holds no text"))
    file = {"organization_id": "org_1", "store_id": "vs_1", "file_id": unique}

    log = world.ask("get_file_logs", **file).logs

    assert [(line.level, line.message) for line in log] == [
        ("info", "12 pages found"),
        ("warning", "Page 7 holds no text"),
    ]
    with pytest.raises(NotFoundError):
        world.ask("get_file_logs", **file | {"file_id": "never"})


def test_an_organization_uses_storage(world: World, unique: str) -> None:
    for file_id in ("a", "b"):
        world.report(file_id, _register, store_id=unique)

    usage = world.ask("get_usage", organization_id="org_1")

    (store,) = [store for store in usage.stores if store.store_id == unique]
    assert (store.used_bytes, store.file_count) == (6, 2)
    assert usage.used_bytes == sum(store.used_bytes for store in usage.stores)
    assert usage.total_bytes >= usage.used_bytes
