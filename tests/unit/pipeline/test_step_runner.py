from collections.abc import Sequence
from pathlib import Path

import pytest

from milepost.errors import PublishTimeoutError
from milepost.file_report import AsyncFileReport
from milepost.outbox import Position, Record
from milepost.step import AsyncStep
from milepost_pipeline.content import FileRef
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import ObjectStore, StorageUnavailableError
from milepost_pipeline.outputs import Facts, StepRef, find_manifest, write_manifest
from milepost_pipeline.overtaking import OvertakenError
from milepost_pipeline.step_runner import StepRunner, Surroundings
from milepost_schemas.codec import decode
from milepost_schemas.events import (
    EventData,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepStarted,
)

FILE = FileRef("org_a", "vs_a", "file_1")
REF = StepRef(FILE, 2, "counting")
REQUEST = ProcessingRequested(
    organization_id="org_a", store_id="vs_a", file_id="file_1", attempt=2, reason="retry"
)


class MemoryLog:
    """Keeps what is published; refuses as many records of a type as it is told to."""

    def __init__(self) -> None:
        self.events: list[EventData] = []
        self.ids: list[str] = []
        self.refusals: dict[type[EventData], int] = {}

    async def publish(self, record: Record, topic: str) -> Position:
        key, value, headers = record
        event = decode(key, value, [(name, text or b"") for name, text in headers])
        left = self.refusals.get(type(event.data), 0)
        if left:
            self.refusals[type(event.data)] = left - 1
            raise PublishTimeoutError(topic, 1, None)
        self.events.append(event.data)
        self.ids.append(event.id)
        return Position(topic, 0, len(self.events))

    @property
    def types(self) -> list[type[EventData]]:
        return [type(event) for event in self.events]


class Counting:
    """A step that does in turn what it is given: an error to raise, or facts to return."""

    name = "counting"

    def __init__(self, outcomes: Sequence[Exception | Facts]) -> None:
        self.outcomes = list(outcomes)

    def is_asked_for(self, data: EventData) -> bool:
        return isinstance(data, ProcessingRequested)

    async def take_up(self, step: StepRef, data: EventData) -> bool:  # noqa: ARG002  the protocol's
        return True

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:  # noqa: ARG002  the protocol's
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None: ...

    async def forget(self, file: FileRef) -> None: ...


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path.as_uri())


def runner(
    log: MemoryLog, objects: ObjectStore, *outcomes: Exception | Facts, patience_s: float = 60
) -> StepRunner:
    return StepRunner(Counting(outcomes), Surroundings(objects, log, "events", patience_s))


async def test_the_manifest_is_there_before_the_completion_is_published(
    log: MemoryLog, objects: ObjectStore
) -> None:
    log.refusals[StepCompleted] = 1
    step = runner(log, objects, {"lines": 3})
    await step.perform(FILE, REQUEST)

    assert await find_manifest(objects, REF) == {"lines": 3, "output_uri": REF.uri(objects)}
    assert log.types == [StepStarted, StepCompleted]


async def test_what_is_announced_again_is_the_same_event(
    log: MemoryLog, objects: ObjectStore
) -> None:
    step = runner(log, objects, {"lines": 3})
    await step.perform(FILE, REQUEST)
    await step.perform(FILE, REQUEST)

    assert log.types == [StepStarted, StepCompleted, StepCompleted]
    assert log.events[1] == log.events[2]
    assert log.ids[1] == log.ids[2]


async def test_a_finished_step_is_never_a_failure(log: MemoryLog, objects: ObjectStore) -> None:
    await write_manifest(objects, REF, {"lines": 3})
    await runner(log, objects, failure("no_text", noun="PDF")).perform(FILE, REQUEST)
    assert log.types == [StepCompleted]


async def test_a_failure_is_published_once(log: MemoryLog, objects: ObjectStore) -> None:
    await runner(log, objects, failure("no_text", noun="PDF")).perform(FILE, REQUEST)

    assert log.types == [StepStarted, ProcessingFailed]
    failed = log.events[1]
    assert isinstance(failed, ProcessingFailed)
    assert (failed.code, failed.step, failed.attempt) == ("no_text", "counting", 2)
    assert await find_manifest(objects, REF) is None


async def test_a_failure_that_kafka_does_not_take_is_published_until_it_does(
    log: MemoryLog, objects: ObjectStore
) -> None:
    log.refusals[ProcessingFailed] = 2
    no_text = failure("no_text", noun="PDF")
    await runner(log, objects, no_text, no_text).perform(FILE, REQUEST)
    assert log.types[-1] is ProcessingFailed


async def test_storage_that_comes_back_is_no_failure(log: MemoryLog, objects: ObjectStore) -> None:
    away = StorageUnavailableError("away")
    await runner(log, objects, away, away, {"lines": 3}).perform(FILE, REQUEST)
    assert log.types == [StepStarted, StepCompleted]


async def test_storage_that_stays_away_is_a_failure_to_retry(
    log: MemoryLog, objects: ObjectStore
) -> None:
    away = StorageUnavailableError("away")
    await runner(log, objects, away, away, patience_s=0.3).perform(FILE, REQUEST)

    failed = log.events[-1]
    assert isinstance(failed, ProcessingFailed)
    assert (failed.code, failed.retryable) == ("storage_unavailable", True)


async def test_overtaken_work_says_nothing(log: MemoryLog, objects: ObjectStore) -> None:
    await runner(log, objects, OvertakenError()).perform(FILE, REQUEST)
    assert log.types == [StepStarted]


async def test_a_bug_fails_the_file_and_is_not_hidden(log: MemoryLog, objects: ObjectStore) -> None:
    with pytest.raises(ZeroDivisionError):
        await runner(log, objects, ZeroDivisionError("internal detail")).perform(FILE, REQUEST)

    failed = log.events[-1]
    assert isinstance(failed, ProcessingFailed)
    assert failed.code == "unexpected_error"
    assert "internal detail" not in failed.message
