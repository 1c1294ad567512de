"""The fake service holds requests as the real one does."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from milepost.fake_service import FakeService
from milepost.memory_log import MemoryLog
from milepost.testing import FakeReporter
from tests.unit.client.scripted_service import PATH


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    report(log, lambda file: file.registered(name="a", size_bytes=3, mime_type="text/plain"))
    return log


def report(log: MemoryLog, work: Callable[[Any], object]) -> None:
    with FakeReporter(log) as reporter:
        work(reporter.file(organization_id="org_1", store_id="vs_1", file_id="file_1"))


def later(log: MemoryLog, work: Callable[[Any], object]) -> threading.Timer:
    timer = threading.Timer(0.2, report, (log, work))
    timer.start()
    return timer


def asking(**headers: str) -> httpx.Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Request("GET", f"http://test{PATH}", headers=names)


async def ask(log: MemoryLog, request: httpx.Request, *, is_async: bool) -> httpx.Response:
    service = FakeService(log, "org_1")
    return await service.answer_async(request) if is_async else service.answer(request)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_request_is_held_until_the_file_is_terminal(
    log: MemoryLog, *, is_async: bool
) -> None:
    timer = later(log, lambda file: file.completed())

    answer = await ask(log, asking(Prefer="wait=60"), is_async=is_async)

    timer.join()
    assert answer.json()["status"] == "completed"
    assert answer.headers["Preference-Applied"] == "wait=30"


@pytest.mark.parametrize("is_async", [False, True])
async def test_with_a_condition_it_is_held_until_there_is_news(
    log: MemoryLog, *, is_async: bool
) -> None:
    held = (await ask(log, asking(), is_async=is_async)).headers["ETag"]
    timer = later(log, lambda file: file.step("extracting").__enter__())

    answer = await ask(log, asking(Prefer="wait=30", If_None_Match=held), is_async=is_async)

    timer.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "processing")


@pytest.mark.parametrize("is_async", [False, True])
async def test_without_news_it_is_held_as_long_as_the_client_would_wait(
    log: MemoryLog, *, is_async: bool
) -> None:
    held = (await ask(log, asking(), is_async=is_async)).headers["ETag"]

    unchanged = await ask(log, asking(Prefer="wait=0", If_None_Match=held), is_async=is_async)
    current = await ask(log, asking(Prefer="wait=0"), is_async=is_async)

    assert unchanged.status_code == 304
    assert (current.status_code, current.json()["status"]) == (200, "pending")
