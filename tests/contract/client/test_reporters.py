"""One suite for the fake reporters and for the real ones at real Kafka."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from milepost import Cadence, KafkaSettings, ProcessingError, Reporter, create_topics
from milepost.memory_log import MemoryLog
from milepost.testing import FakeReporter
from milepost_local.servers import Server
from milepost_schemas.codec import InvalidRecordError, decode
from milepost_schemas.document import Document
from milepost_schemas.events import Event, LogRecorded, StepProgressed
from milepost_schemas.fold import apply
from milepost_schemas.topics import Topic
from tests.integration.client.log import read_log
from tests.unit.client.files import FILE

SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@dataclass(frozen=True)
class World:
    """A reporter, and the events that came of it."""

    open: Callable[[], Reporter]
    events: Callable[[], list[Event]]

    def document(self) -> Document:
        document: Document | None = None
        for offset, event in enumerate(self.events()):
            document = apply(document, event, offset, event.time_ms or 0)
        assert document is not None
        return document


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, unique: str) -> World:
    if request.param == "fake":
        log = MemoryLog()
        return World(lambda: FakeReporter(log, cadence=SLOW), lambda: log.events)
    kafka: Server = request.getfixturevalue("kafka")
    connection = KafkaSettings(bootstrap_servers=kafka.address)
    asyncio.run(create_topics(connection, [Topic(unique, 3, {})]))

    def events() -> list[Event]:
        records = asyncio.run(read_log(kafka.address, unique))
        return [decode(record.key, record.value, record.headers) for record in records]

    return World(lambda: Reporter(connection, source="test", topic=unique, cadence=SLOW), events)


def _process(reporter: Reporter) -> None:
    with reporter.file(organization_id="org_1", **FILE) as file:
        file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")
        plan = {"chunking": 1, "embedding": 3}
        with file.step("chunking", plan=plan) as step:
            file.log("info", "chunking starts")
            step.output["chunk_count"] = 2
        with file.step("embedding", total_units=2, plan=plan) as step:
            step.advance(2)
        file.completed(chunk_count=2)


def test_a_file_is_reported_from_start_to_end_in_order(world: World) -> None:
    with world.open() as reporter:
        _process(reporter)

    assert [event.type for event in world.events()] == [
        "milepost.file.registered.v1",
        "milepost.step.started.v1",
        "milepost.log.recorded.v1",
        "milepost.step.completed.v1",
        "milepost.step.started.v1",
        "milepost.step.progressed.v1",
        "milepost.step.completed.v1",
        "milepost.processing.completed.v1",
    ]
    assert {event.source for event in world.events()} == {"test"}
    assert world.document().status == "completed"


def test_a_repeated_run_is_nothing_but_duplicates(world: World) -> None:
    for _ in range(2):
        with world.open() as reporter:
            _process(reporter)

    ids = [event.id for event in world.events()]
    assert len(ids) == 16
    assert ids[:8] == ids[8:]
    assert len(set(ids)) == 8


def test_positions_count_up(world: World) -> None:
    with world.open() as reporter:
        file = reporter.file(organization_id="org_1", **FILE)
        first, second = file.log("info", "one"), file.log("info", "two")

    assert second == first._replace(offset=first.offset + 1)
    messages = [e.data.message for e in world.events() if isinstance(e.data, LogRecorded)]
    assert messages == ["one", "two"]


def test_a_failing_step_fails_the_file(world: World) -> None:
    def work() -> None:
        with (
            world.open() as reporter,
            reporter.file(organization_id="org_1", **FILE) as file,
            file.step("extracting"),
        ):
            raise ProcessingError("corrupt", "The file is damaged; upload an intact copy.")

    with pytest.raises(ProcessingError):
        work()
    document = world.document()
    assert document.status == "failed"
    assert document.error is not None
    assert (document.error.code, document.error.step) == ("corrupt", "extracting")


def test_what_the_contract_forbids_is_refused_and_not_published(world: World) -> None:
    with world.open() as reporter:
        file = reporter.file(organization_id="org_1", **FILE)
        with pytest.raises(InvalidRecordError):
            file.registered(name="n" * 300, size_bytes=3, mime_type="text/plain")
        with pytest.raises(InvalidRecordError):
            reporter.file(organization_id="org 1", **FILE).completed()

    assert world.events() == []


def test_the_last_progress_of_a_step_left_open_is_published_at_the_end(world: World) -> None:
    reporter = world.open().open()
    step = reporter.file(organization_id="org_1", **FILE).step("embedding", total_units=4)
    step.__enter__()
    step.advance(3)
    reporter.close()

    data = world.events()[-1].data
    assert isinstance(data, StepProgressed)
    assert data.done_units == 3
