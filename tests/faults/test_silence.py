import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from milepost.publisher import Publisher
from milepost_local.servers import OwnServer
from milepost_projector.silence.attention import MAX_GAP_MS
from milepost_projector.silence.verdicts import Limits
from milepost_schemas.codec import encode
from milepost_schemas.events import Event, StepProgressed, StepStarted
from tests.faults.stand import Stand
from tests.fixtures.running_projector import running_projector
from tests.fixtures.silent_files import Files, has_failed
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing

LIMITS = Limits(stalled_after_s=2, failed_after_s=3, attentive_for_s=2)


@pytest.fixture
async def files(stand: Stand) -> AsyncIterator[Files]:
    async with Publisher(stand.world.kafka) as publisher:
        yield Files(stand.world, publisher)


@contextmanager
def stopped(server: OwnServer) -> Iterator[None]:
    """A server that does not answer, and then goes on as if nothing had been."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class Stage:
    """A healthy stage in a thread of its own, for as long as the block lasts."""

    def __init__(self, stand: Stand, file_id: str) -> None:
        self._publishing = Publishing(stand.world.kafka.bootstrap_servers, stand.world.events)
        fact = StepProgressed(
            organization_id="org_1", store_id="vs_1", file_id=file_id, attempt=1, step="reading"
        )
        self._sign = encode(Event(file_id, "/tests", None, fact))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(0.2):
            self._publishing.publish(self._sign)
        self._publishing.flush()


async def pass_by(seconds: float) -> None:
    since = time.monotonic()
    await until(lambda: time.monotonic() - since > seconds)


async def test_a_broker_that_is_away_for_longer_than_the_limits_lets_nobody_be_accused(
    stand: Stand, files: Files
) -> None:
    async with running_projector(stand.world, limits=LIMITS), files.at_work("file_healthy"):
        await files.become("file_healthy", lambda document: document.revision)
        await pass_by(LIMITS.attentive_for_s)
        with stopped(stand.kafka):
            await pass_by(LIMITS.failed_after_s + MAX_GAP_MS / 1000)
        await files.say("file_dead", StepStarted, step="reading")
        await files.become("file_dead", has_failed)

    document = await files.document("file_healthy")
    assert document is not None
    assert document.status == "processing"
    assert await files.verdicts("file_healthy") == []


async def test_an_owner_that_was_frozen_accuses_nobody_when_it_wakes(
    stand: Stand, files: Files
) -> None:
    async with running_projector(stand.world, limits=LIMITS):
        with Stage(stand, "file_healthy"):
            await files.become("file_healthy", lambda document: document.revision)
            await pass_by(LIMITS.attentive_for_s)
            # This is the owner's event loop; the stage has a thread of its own.
            time.sleep(LIMITS.failed_after_s + MAX_GAP_MS / 2000)  # noqa: ASYNC251
            await files.say("file_dead", StepStarted, step="reading")
            await files.become("file_dead", has_failed)

    assert not await files.is_falsely_accused("file_healthy", LIMITS.stalled_after_s)
