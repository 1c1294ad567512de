import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from milepost import Cadence, KafkaSettings, ProcessingError, Reporter
from milepost.errors import NotOpenError
from milepost.testing import FakeReporter, MemoryLog
from milepost_local.ports import free_port
from milepost_schemas.events import ProcessingFailed, StepProgressed
from tests.unit.client.files import FILE

QUICK = Cadence(progress_s=0.01, sign_of_life_s=0.05)
SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def test_a_plain_function_reports_a_file_from_start_to_end(log: MemoryLog) -> None:
    with (
        FakeReporter(log, cadence=SLOW) as reporter,
        reporter.file(organization_id="org_1", **FILE) as file,
    ):
        file.registered(name="a.txt", size_bytes=3, mime_type="text/plain")
        with file.step("embedding", total_units=120, plan={"embedding": 1}) as step:
            step.advance(1)
            step.update(done_units=60, message="at work")
            step.output["chunk_count"] = 3
        file.log("info", "done")
        file.completed(chunk_count=3)

    status = log.status(**FILE)
    assert status is not None
    assert status.status == "completed"
    assert [line.message for line in log.log_lines(**FILE)] == ["done"]


def test_signs_of_life_come_while_the_code_of_the_step_blocks(log: MemoryLog) -> None:
    with (
        FakeReporter(log, cadence=QUICK) as reporter,
        reporter.file(organization_id="org_1", **FILE).step("embedding"),
    ):
        deadline = time.monotonic() + 10
        while len(log.events) < 4 and time.monotonic() < deadline:
            pass

    assert sum(isinstance(event.data, StepProgressed) for event in log.events) >= 3


def test_an_error_fails_the_file_once_and_goes_on(log: MemoryLog) -> None:
    def work() -> None:
        with (
            FakeReporter(log, cadence=SLOW) as reporter,
            reporter.file(organization_id="org_1", **FILE) as file,
            file.step("extracting"),
        ):
            raise ProcessingError("corrupt", "The file is damaged; upload an intact copy.")

    with pytest.raises(ProcessingError, match="damaged"):
        work()
    (failed,) = [e.data for e in log.events if isinstance(e.data, ProcessingFailed)]
    assert (failed.code, failed.step) == ("corrupt", "extracting")


def test_threads_of_one_step_lose_no_units(log: MemoryLog) -> None:
    with (
        FakeReporter(log, cadence=SLOW) as reporter,
        reporter.file(organization_id="org_1", **FILE).step("embedding") as step,
    ):

        def advance() -> None:
            for _ in range(5_000):
                step.advance(1)

        threads = [threading.Thread(target=advance) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    (progressed,) = [e.data for e in log.events if isinstance(e.data, StepProgressed)]
    assert progressed.done_units == 20_000


def test_advancing_waits_for_nobody() -> None:
    reporter = Reporter(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}"), source="test")
    step = reporter.file(organization_id="org_1", **FILE).step("embedding")
    reporter.open()

    started = time.perf_counter()
    for _ in range(10_000):
        step.advance(1)
    assert time.perf_counter() - started < 1
    reporter.close()


def test_a_closed_reporter_takes_nothing_and_closing_twice_is_harmless(log: MemoryLog) -> None:
    reporter = FakeReporter(log)
    file = reporter.file(organization_id="org_1", **FILE)
    with pytest.raises(NotOpenError):
        file.completed()
    reporter.open()
    step = file.step("embedding")
    reporter.close()
    reporter.close()
    with pytest.raises(NotOpenError):
        file.completed()
    with pytest.raises(NotOpenError):
        step.advance(1)


def test_a_reporter_closed_too_early_never_hides_the_error_of_the_block(log: MemoryLog) -> None:
    reporter = FakeReporter(log, cadence=SLOW).open()

    def work() -> None:
        with reporter.file(organization_id="org_1", **FILE):
            reporter.close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        work()
    assert "not open" in caught.value.__notes__[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_told_to_open_its_own_reporter() -> None:
    child = textwrap.dedent("""
        import os, sys
        from milepost.errors import NotOpenError
        from milepost.testing import FakeReporter, MemoryLog

        reporter = FakeReporter(MemoryLog()).open()
        file = reporter.file(organization_id="org_1", store_id="vs_1", file_id="file_1")
        step = file.step("embedding")
        if os.fork() == 0:
            for call in (file.completed, step.advance):
                try:
                    call()
                except NotOpenError:
                    continue
                os._exit(1)
            sys.exit(7)
        _, status = os.wait()
        file.completed()
        sys.exit(os.waitstatus_to_exitcode(status))
    """)

    done = subprocess.run([sys.executable, "-c", child], check=False, timeout=30)

    assert done.returncode == 7


def test_a_forgotten_reporter_is_closed_when_the_program_ends() -> None:
    program = textwrap.dedent("""
        from milepost import Cadence
        from milepost.testing import FakeReporter, MemoryLog

        class Printing(MemoryLog):
            async def publish(self, record, topic):
                position = await super().publish(record, topic)
                print(self.events[-1].data, flush=True)
                return position

        reporter = FakeReporter(Printing(), cadence=Cadence(3600, 3600)).open()
        file = reporter.file(organization_id="org_1", store_id="vs_1", file_id="file_1")
        step = file.step("embedding").__enter__()
        step.advance(5)
    """)

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=30, capture_output=True, text=True
    )

    assert "done_units=5" in done.stdout.splitlines()[-1]
