"""The pipeline as a process: started, killed, stopped."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

from milepost_schemas.events import ProcessingFailed, StepStarted
from tests.fixtures import odd_files
from tests.integration.pipeline.running import Bench, until

FILES = ["lighthouses.pdf", "tea.docx", "glaciers.pptx", "bees.md"] * 5


@pytest.fixture(autouse=True)
def environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = bench.settings
    monkeypatch.setenv("MILEPOST_KAFKA_BOOTSTRAP_SERVERS", bench.kafka.bootstrap_servers)
    monkeypatch.setenv("MILEPOST_OBJECTS_URL", settings.objects_url)
    monkeypatch.setenv("MILEPOST_INDEX_FILE", str(settings.index_file))
    monkeypatch.setenv("MILEPOST_EVENTS_TOPIC", settings.events_topic)
    monkeypatch.setenv("MILEPOST_PIPELINE_GROUP", settings.pipeline_group)


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, "-m", "milepost_pipeline"])
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def ingest_all(bench: Bench) -> dict[str, str]:
    return {await bench.ingest(odd_files.SAMPLES / name): name for name in FILES}


async def stop(running: subprocess.Popen[bytes]) -> float:
    """Send SIGTERM; return the seconds until the process has ended in order."""
    begun = time.monotonic()
    running.terminate()
    code = await asyncio.to_thread(running.wait, 20)
    assert code == 0
    return time.monotonic() - begun


async def test_killed_and_started_again_it_completes_every_file_once(bench: Bench) -> None:
    files = await ingest_all(bench)
    with process() as running:
        await until(partial(has_started, bench, files, 12))
        running.send_signal(signal.SIGKILL)

    with process() as running:
        for file_id in files:
            assert (await bench.log.ended(file_id)).status == "completed"
        assert await stop(running) < 10

    assert not any(bench.log.of(file_id, ProcessingFailed) for file_id in files)
    found = {hit.file_id for hit in bench.search("How does it work?", limit=100)}
    assert found <= set(files)
    assert len({(hit.file_id, hit.start) for hit in bench.search("tea", 100)}) == 100


async def test_stopped_in_the_middle_it_ends_soon_and_loses_nothing(bench: Bench) -> None:
    files = await ingest_all(bench)
    with process() as running:
        await until(partial(has_started, bench, files, 5))
        workers = psutil.Process(running.pid).children()
        assert await stop(running) < 10
        assert not any(worker.is_running() for worker in workers)

    with process():
        for file_id in files:
            assert (await bench.log.ended(file_id)).status == "completed"


async def test_a_worker_does_not_outlive_a_killed_pipeline(bench: Bench) -> None:
    await ingest_all(bench)
    with process() as running:
        await until(lambda: bool(psutil.Process(running.pid).children()))
        workers = psutil.Process(running.pid).children()
        running.send_signal(signal.SIGKILL)

        await until(lambda: not any(worker.is_running() for worker in workers))


def has_started(bench: Bench, files: dict[str, str], steps: int) -> bool:
    return sum(len(bench.log.steps(file_id, StepStarted)) for file_id in files) >= steps
