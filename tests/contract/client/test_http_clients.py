"""One suite for the fake clients and for the real ones at a real query service."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from milepost import AsyncMilepost, Cadence, Milepost
from milepost.errors import (
    AuthenticationError,
    InvalidIdentifierError,
    NotFoundError,
    PermissionDeniedError,
    WaitTimeoutError,
)
from milepost.memory_log import MemoryLog
from milepost.sync_reporter import FileReport
from milepost.testing import FakeAsyncMilepost, FakeMilepost, FakeReporter
from milepost_local.servers import Server
from milepost_schemas.http import ProcessingStatus
from milepost_schemas.keys import Keys
from tests.contract.client.query_service import API_KEY, RedisLog, running_query_service

SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@dataclass(frozen=True)
class World:
    """Where files are reported, and how their statuses are asked for."""

    log: MemoryLog
    ask: Callable[..., ProcessingStatus]

    def status(self, file_id: str, organization_id: str = "org_1") -> ProcessingStatus:
        return self.ask(
            "get_processing_status",
            organization_id=organization_id,
            store_id="vs_1",
            file_id=file_id,
        )

    def wait(self, file_id: str, timeout_s: float) -> ProcessingStatus:
        return self.ask(
            "wait_until_processed",
            organization_id="org_1",
            store_id="vs_1",
            file_id=file_id,
            timeout_s=timeout_s,
        )

    def report(self, file_id: str, work: Callable[[FileReport], object], attempt: int = 1) -> None:
        with FakeReporter(self.log, cadence=SLOW) as reporter:
            work(
                reporter.file(
                    organization_id="org_1", store_id="vs_1", file_id=file_id, attempt=attempt
                )
            )


@pytest.fixture(scope="module")
def service(
    redis_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, RedisLog]]:
    log = RedisLog(redis_server.address, Keys("mp-contract"))
    directory = tmp_path_factory.mktemp("query")
    with running_query_service(redis_server.address, "mp-contract", directory) as url:
        yield url, log
    log.close()


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


def _sync(connect: Callable[[], Milepost]) -> Callable[..., ProcessingStatus]:
    def ask(method: str, **arguments: Any) -> ProcessingStatus:
        with connect() as client:
            status: ProcessingStatus = getattr(client.knowledge, method)(**arguments)
            return status

    return ask


def _async(connect: Callable[[], AsyncMilepost]) -> Callable[..., ProcessingStatus]:
    async def ask(method: str, **arguments: Any) -> ProcessingStatus:
        async with connect() as client:
            status: ProcessingStatus = await getattr(client.knowledge, method)(**arguments)
            return status

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
