"""One stage on real Kafka: order, commits, overtaking, other members of its group."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psutil

from milepost.consumer import Consumer
from milepost.file_report import AsyncFileReport
from milepost.step import AsyncStep
from milepost_pipeline.content import FileRef
from milepost_pipeline.outputs import Facts, StepRef
from milepost_pipeline.stage import Stage
from milepost_pipeline.step_runner import StepRunner, Surroundings
from milepost_schemas.events import (
    EventData,
    FileRegistered,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepStarted,
)
from tests.fixtures import odd_files
from tests.integration.pipeline.running import Bench, until


class Gated:
    """A step that waits until the test lets a file through."""

    name = "gated"

    def __init__(self) -> None:
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.running: list[StepRef] = []
        self.cancelled: list[StepRef] = []
        self.forgotten: list[str] = []

    def is_asked_for(self, data: EventData) -> bool:
        return isinstance(data, FileRegistered | ProcessingRequested)

    async def take_up(self, step: StepRef, data: EventData) -> bool:  # noqa: ARG002  the protocol's
        return True

    async def run(self, step: StepRef, report: AsyncStep) -> Facts:  # noqa: ARG002  the protocol's
        if step.file.file_id == "file_bug":
            raise ZeroDivisionError
        self.running.append(step)
        try:
            await self.gates[step.file.file_id].wait()
        except asyncio.CancelledError:
            self.cancelled.append(step)
            raise
        return {}

    async def finish(self, report: AsyncFileReport, facts: Facts) -> None: ...

    async def forget(self, file: FileRef) -> None:
        self.forgotten.append(file.file_id)

    def started(self, file_id: str) -> Callable[[], bool]:
        return lambda: any(step.file.file_id == file_id for step in self.running)


@asynccontextmanager
async def stage(bench: Bench, step: Gated, *, concurrency: int = 4) -> AsyncIterator[None]:
    surroundings = Surroundings(bench.objects, bench.publisher, bench.settings.events_topic, 60)
    stopping = asyncio.Event()
    consumer = Consumer(bench.kafka, bench.settings.events_topic, bench.settings.pipeline_group)
    async with consumer:
        running = Stage(StepRunner(step, surroundings), consumer, concurrency=concurrency)
        task = asyncio.create_task(running.run(stopping))
        try:
            yield
        finally:
            for gate in step.gates.values():
                gate.set()
            stopping.set()
            await task


async def register(bench: Bench, *file_ids: str) -> None:
    for file_id in file_ids:
        await bench.report(file_id).registered(name="a.txt", size_bytes=1, mime_type="")


async def test_a_slow_file_does_not_hold_the_others(bench: Bench) -> None:
    step = Gated()
    others = [f"file_{n}" for n in range(20)]
    for file_id in others:
        step.gates[file_id].set()
    async with stage(bench, step, concurrency=2):
        await register(bench, "file_slow", *others)
        await until(lambda: all(bench.log.of(file_id, StepCompleted) for file_id in others))
        assert bench.log.of("file_slow", StepCompleted) == []


async def test_no_more_files_are_in_work_than_allowed(bench: Bench) -> None:
    step = Gated()
    async with stage(bench, step, concurrency=2):
        await register(bench, "file_1", "file_2", "file_3")
        await until(lambda: len(step.running) == 2)
        (waiting,) = {"file_1", "file_2", "file_3"} - {ref.file.file_id for ref in step.running}
        step.gates[step.running[0].file.file_id].set()
        await until(step.started(waiting))


async def test_unfinished_work_comes_again_and_finished_work_does_not(bench: Bench) -> None:
    first, second = Gated(), Gated()
    first.gates["file_done"].set()
    async with stage(bench, first):
        await register(bench, "file_open", "file_done")
        await until(lambda: bool(bench.log.of("file_done", StepCompleted)))
        await until(first.started("file_open"))
        first.gates.pop("file_open")

    async with stage(bench, second):
        second.gates["file_open"].set()
        await until(lambda: bool(bench.log.of("file_open", StepCompleted)))

    assert first.cancelled
    assert len(bench.log.of("file_done", StepStarted)) == 1


async def test_a_deletion_stops_the_work_that_is_running(bench: Bench) -> None:
    step = Gated()
    async with stage(bench, step):
        await register(bench, "file_1")
        await until(step.started("file_1"))
        await bench.report("file_1").deleted()
        await until(lambda: step.forgotten == ["file_1"])

    assert [ref.file.file_id for ref in step.cancelled] == ["file_1"]
    assert bench.log.of("file_1", StepCompleted) == []
    assert bench.log.of("file_1", ProcessingFailed) == []


async def test_a_newer_attempt_stops_the_older(bench: Bench) -> None:
    step = Gated()
    async with stage(bench, step):
        await register(bench, "file_1")
        await until(step.started("file_1"))
        await bench.report("file_1").requested(reason="retry")
        await until(lambda: len(step.running) == 2)
        step.gates["file_1"].set()
        await until(lambda: bool(bench.log.of("file_1", StepCompleted)))

    assert [ref.attempt for ref in step.cancelled] == [1]
    assert [event.attempt for event in bench.log.of("file_1", StepCompleted)] == [2]


async def test_work_that_somebody_else_ended_is_stopped(bench: Bench) -> None:
    step = Gated()
    async with stage(bench, step):
        await register(bench, "file_1")
        await until(step.started("file_1"))
        await bench.report("file_1").failed("given_up", "Somebody gave it up.")
        await until(lambda: len(step.cancelled) == 1)


async def test_a_bug_on_one_file_does_not_hold_the_others(bench: Bench) -> None:
    step = Gated()
    step.gates["file_1"].set()
    async with stage(bench, step):
        await register(bench, "file_bug", "file_1")
        await until(lambda: bool(bench.log.of("file_1", StepCompleted)))
        await until(lambda: bool(bench.log.of("file_bug", ProcessingFailed)))


async def test_a_second_member_takes_over_its_share_and_nothing_is_lost(bench: Bench) -> None:
    first, second = Gated(), Gated()
    files = [f"file_{n}" for n in range(40)]
    for step in (first, second):
        for file_id in files[1:]:
            step.gates[file_id].set()
    second.gates[files[0]].set()
    async with stage(bench, first):
        await register(bench, *files[:20])
        await until(first.started(files[0]))
        async with stage(bench, second):
            await until(lambda: bool(second.running) or len(first.running) > 20)
            await register(bench, *files[20:])
            first.gates[files[0]].set()
            await until(lambda: all(bench.log.of(file_id, StepCompleted) for file_id in files))

    assert not any(bench.log.of(file_id, ProcessingFailed) for file_id in files)


async def test_a_deletion_ends_the_reading_of_a_file_that_hangs(bench: Bench) -> None:
    async with bench.pipeline(readers=1):
        first = await bench.ingest(odd_files.SAMPLES / "bees.md")
        await bench.log.ended(first)
        (worker,) = (
            child
            for child in psutil.Process().children()
            if child.status() != psutil.STATUS_ZOMBIE
            and "milepost_pipeline.reading_worker" in child.cmdline()
        )
        worker.send_signal(signal.SIGSTOP)
        hanging = await bench.ingest(odd_files.SAMPLES / "clocks.txt")
        await until(lambda: bool(bench.log.of(hanging, StepStarted)))

        await bench.report(hanging).deleted()
        following = await bench.ingest(odd_files.SAMPLES / "tea.docx")

        assert (await bench.log.ended(following)).status == "completed"
