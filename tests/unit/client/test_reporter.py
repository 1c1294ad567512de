import asyncio
from uuid import UUID

import pytest

from milepost import Cadence, NotNowError, ProcessingError
from milepost.errors import PublishError, PublishTimeoutError
from milepost.file_report import AsyncFileReport
from milepost.outbox import Position, Record
from milepost.reporter import AsyncReporter
from milepost.testing import FakeAsyncReporter, MemoryLog
from milepost_schemas.events import (
    FileDeleted,
    LogRecorded,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from tests.fixtures.waiting import until
from tests.unit.client.files import FILE

QUICK = Cadence(progress_s=0.01, sign_of_life_s=0.05)
SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def reporter(log: MemoryLog) -> FakeAsyncReporter:
    return FakeAsyncReporter(log, cadence=SLOW)


async def test_a_file_is_taken_from_registration_to_completion(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    async with reporter.file(organization_id="org_1", **FILE) as file:
        await file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")
        async with file.step("chunking", plan={"chunking": 1, "indexing": 3}) as step:
            step.output["chunk_count"] = 7
        async with file.step("indexing", total_units=4) as step:
            step.advance(2)
        await file.completed(chunk_count=7)

    assert [event.type.removeprefix("milepost.") for event in log.events] == [
        "file.registered.v1",
        "step.started.v1",
        "step.completed.v1",
        "step.started.v1",
        "step.progressed.v1",
        "step.completed.v1",
        "processing.completed.v1",
    ]
    status = log.status(**FILE)
    assert status is not None
    assert (status.status, status.progress_percent) == ("completed", 100)
    document = log.document(**FILE)
    assert document is not None
    assert document.plan == [("chunking", 1), ("indexing", 3)]
    assert document.chunk_count == 7


async def test_a_repeated_run_publishes_the_same_ids(log: MemoryLog) -> None:
    async def run() -> None:
        reporter = FakeAsyncReporter(log, cadence=SLOW)
        async with reporter.file(organization_id="org_1", **FILE) as file:
            await file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")
            async with file.step("chunking", total_units=2) as step:
                step.advance(1)
                await file.log("info", "half")
                await file.log("info", "half")
                step.output.update(b=1, a=2)
            await file.completed()

    await run()
    first, log.events = [event.id for event in log.events], []
    await run()

    assert [event.id for event in log.events] == first
    assert len(set(first)) == len(first)
    assert {UUID(id_).version for id_ in first} == {5}


async def test_equal_log_lines_are_lines_of_their_own(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    file = reporter.file(organization_id="org_1", **FILE)
    await file.log("info", "again")
    await file.log("info", "again")
    async with file.step("chunking"):
        await file.log("info", "again")

    assert [line.message for line in log.log_lines(**FILE)] == ["again"] * 3


async def test_two_attempts_never_share_an_id(log: MemoryLog, reporter: FakeAsyncReporter) -> None:
    for attempt in (1, 2):
        file = reporter.file(organization_id="org_1", **FILE, attempt=attempt)
        async with file.step("chunking"):
            pass

    assert len({event.id for event in log.events}) == len(log.events) == 4


async def test_progress_is_coalesced_and_the_last_value_comes_before_the_completion(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    file = reporter.file(organization_id="org_1", **FILE)
    async with file.step("embedding", total_units=120) as step:
        for _ in range(120):
            step.advance(1)

    (progressed,) = [e.data for e in log.events if isinstance(e.data, StepProgressed)]
    assert progressed.done_units == 120
    assert isinstance(log.events[-1].data, StepCompleted)


async def test_a_step_without_progress_gives_signs_of_life(log: MemoryLog) -> None:
    reporter = FakeAsyncReporter(log, cadence=QUICK)
    async with reporter.file(organization_id="org_1", **FILE).step("embedding"):
        await until(lambda: len(log.events) >= 4)

    signs = [event for event in log.events if isinstance(event.data, StepProgressed)]
    assert {sign.data.done_units for sign in signs if isinstance(sign.data, StepProgressed)} == {
        None
    }
    assert len({sign.id for sign in signs}) == len(signs) >= 3


async def test_progress_is_published_while_the_step_is_open(log: MemoryLog) -> None:
    reporter = FakeAsyncReporter(log, cadence=Cadence(progress_s=0.01, sign_of_life_s=3_600))
    async with reporter.file(organization_id="org_1", **FILE).step("embedding") as step:
        step.update(progress_percent=30, message="at work")
        await until(lambda: len(log.events) >= 2)
        status = log.status(**FILE)

    assert status is not None
    assert status.progress_percent == 30
    data = log.events[1].data
    assert isinstance(data, StepProgressed)
    assert data.message == "at work"


async def test_units_that_no_step_can_have_are_refused_at_the_call(
    reporter: FakeAsyncReporter,
) -> None:
    step = reporter.file(organization_id="org_1", **FILE).step("embedding")
    for units in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="units"):
            step.advance(units)
        with pytest.raises(ValueError, match="done_units"):
            step.update(done_units=units)


async def test_a_processing_error_is_the_failure_that_the_owner_reads(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    error = ProcessingError("password_protected", "Remove the password and upload the file again.")

    await _fail(reporter, error)

    assert _failures(log) == [
        ("password_protected", "Remove the password and upload the file again.", False, "chunking")
    ]
    status = log.status(**FILE)
    assert status is not None
    assert status.error_message == "Remove the password and upload the file again."


async def test_an_unexpected_error_says_nothing_of_its_own_text(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    await _fail(reporter, RuntimeError("postgres://user:secret@db/x refused"))

    ((code, message, retryable, step),) = _failures(log)
    assert (code, retryable, step) == ("unexpected_error", True, "chunking")
    assert "secret" not in message
    assert "RuntimeError" not in message


async def test_a_group_of_one_is_the_error_in_it(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    error = ProcessingError("empty", "The file is empty; upload one with content.")

    await _fail(reporter, ExceptionGroup("tasks", [error]))

    assert [failure[0] for failure in _failures(log)] == ["empty"]


async def test_an_endless_message_is_cut_rather_than_lost(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    await _fail(reporter, ProcessingError("c" * 100, "m" * 5_000))

    ((code, message, _, _),) = _failures(log)
    assert (len(code), len(message)) == (64, 2_000)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(1),
        asyncio.CancelledError(),
        NotNowError("the object store is away"),
        PublishError("no acknowledgement"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_says_nothing_about_the_file_is_no_failure_of_it(
    log: MemoryLog, reporter: FakeAsyncReporter, error: BaseException
) -> None:
    file = reporter.file(organization_id="org_1", **FILE)
    with pytest.raises(type(error)):
        await _raise_inside(file, error)

    assert [type(event.data) for event in log.events] == [StepStarted]


async def test_an_error_between_steps_fails_the_file_without_a_step(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with reporter.file(organization_id="org_1", **FILE):
            raise ZeroDivisionError

    assert [failure[3] for failure in _failures(log)] == [None]


class DeafPublisher:
    """Acknowledges nothing once it is told to be deaf."""

    def __init__(self) -> None:
        self.is_deaf = False
        self.published = 0

    async def publish(self, _record: Record, topic: str) -> Position:
        if self.is_deaf:
            raise PublishTimeoutError(topic, 1, None)
        self.published += 1
        return Position(topic, 0, self.published)


async def test_a_failure_that_cannot_be_published_never_hides_the_error() -> None:
    publisher = DeafPublisher()
    reporter = AsyncReporter(publisher, source="test", cadence=SLOW)

    async def lose_the_failure() -> None:
        async with reporter.file(organization_id="org_1", **FILE) as file, file.step("chunking"):
            publisher.is_deaf = True
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await lose_the_failure()
    assert "processing.failed was not published" in caught.value.__notes__[0]
    assert len(caught.value.__notes__) == 1


async def test_a_completion_that_is_not_acknowledged_is_an_error() -> None:
    publisher = DeafPublisher()
    step = (
        AsyncReporter(publisher, source="test", cadence=SLOW)
        .file(organization_id="org_1", **FILE)
        .step("chunking")
    )

    async with step:
        pass
    publisher.is_deaf = True
    with pytest.raises(PublishTimeoutError):
        await step.__aexit__(None, None, None)


async def test_a_sign_of_life_that_gets_lost_is_followed_by_the_next_one() -> None:
    publisher = DeafPublisher()
    reporter = AsyncReporter(publisher, source="test", cadence=QUICK)
    async with reporter.file(organization_id="org_1", **FILE).step("chunking") as step:
        publisher.is_deaf = True
        step.advance(1)
        await asyncio.sleep(0.1)
        publisher.is_deaf = False
        await until(lambda: publisher.published >= 3)


async def test_closing_publishes_the_last_progress_of_a_step_left_open(log: MemoryLog) -> None:
    async with FakeAsyncReporter(log, cadence=SLOW) as reporter:
        step = reporter.file(organization_id="org_1", **FILE).step("chunking", total_units=2)
        await step.__aenter__()
        step.advance(1)

    assert isinstance(log.events[-1].data, StepProgressed)


async def test_a_request_is_for_the_next_attempt(
    log: MemoryLog, reporter: FakeAsyncReporter
) -> None:
    await reporter.file(organization_id="org_1", **FILE).requested(reason="retry")

    (event,) = log.events
    assert isinstance(event.data, ProcessingRequested)
    assert event.data.attempt == 2


async def test_a_deleted_file_is_gone(log: MemoryLog, reporter: FakeAsyncReporter) -> None:
    file = reporter.file(organization_id="org_1", **FILE)
    await file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")
    await file.deleted(requested_by="somebody")

    assert isinstance(log.events[-1].data, FileDeleted)
    assert log.status(**FILE) is None


async def test_long_log_lines_are_cut(log: MemoryLog, reporter: FakeAsyncReporter) -> None:
    await reporter.file(organization_id="org_1", **FILE).log("warning", "x" * 3_000)

    (event,) = log.events
    assert isinstance(event.data, LogRecorded)
    assert len(event.data.message) == 2_000


async def test_events_carry_source_time_and_trace(log: MemoryLog) -> None:
    reporter = AsyncReporter(log, source="my-stage", clock=lambda: 1_750_000_000.5)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await reporter.file(organization_id="org_1", **FILE, traceparent=trace).completed()

    (event,) = log.events
    assert (event.source, event.time_ms, event.traceparent) == (
        "my-stage",
        1_750_000_000_500,
        trace,
    )


def test_a_reporter_must_say_who_it_is(log: MemoryLog) -> None:
    with pytest.raises(ValueError, match="source"):
        AsyncReporter(log, source="")


async def _fail(reporter: FakeAsyncReporter, error: Exception) -> None:
    async def work() -> None:
        async with reporter.file(organization_id="org_1", **FILE) as file:
            await _raise_inside(file, error)

    with pytest.raises(type(error)):
        await work()


async def _raise_inside(file: AsyncFileReport, error: BaseException) -> None:
    async with file.step("chunking"):
        raise error


def _failures(log: MemoryLog) -> list[tuple[str, str, bool, str | None]]:
    return [
        (event.data.code, event.data.message, event.data.retryable, event.data.step)
        for event in log.events
        if isinstance(event.data, ProcessingFailed)
    ]
