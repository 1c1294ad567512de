import time
from collections.abc import AsyncIterator

import pytest

from milepost.connection import KafkaSettings
from milepost.publisher import Publisher
from milepost_local.servers import Server
from milepost_projector.silence.verdicts import Limits, Silence, judge
from milepost_schemas.events import (
    NO_SIGN_OF_LIFE,
    LogRecorded,
    ProcessingFailed,
    ProcessingRequested,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from tests.fixtures.expected_model import expected_model, read_log, stored_model
from tests.fixtures.running_projector import World, running_projector, wall_ms
from tests.fixtures.silent_files import Files, has_failed, is_stalled
from tests.fixtures.waiting import until

SOON = Limits(stalled_after_s=1, failed_after_s=2.5, attentive_for_s=0.5)
PATIENT = Limits(stalled_after_s=2, failed_after_s=3, attentive_for_s=0.5)
"""For files whose stages do sign, on a machine that may be slow."""
DAY_MS = 86_400_000


@pytest.fixture
async def files(kafka: Server, redis_server: Server, unique: str) -> AsyncIterator[Files]:
    world = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await world.create()
    async with Publisher(world.kafka) as publisher:
        yield Files(world, publisher)


async def test_a_dead_stages_file_is_stalled_and_then_fails(files: Files) -> None:
    async with running_projector(files.world, limits=SOON):
        await files.say("file_1", StepStarted, step="embedding")
        await files.become("file_1", is_stalled)
        document = await files.become("file_1", has_failed)

    assert document.error is not None
    assert (document.error.code, document.error.retryable) == (NO_SIGN_OF_LIFE, True)
    assert (document.current_step, document.error.step) == ("embedding", "embedding")
    stalled, failed = await files.verdicts("file_1")
    assert (stalled.event.type, failed.event.type) == (
        "milepost.processing.stalled.v1",
        "milepost.processing.failed.v1",
    )
    assert stalled.silence_s >= SOON.stalled_after_s
    assert failed.silence_s >= SOON.failed_after_s


async def test_verdicts_reach_the_read_model_through_the_log_alone(files: Files) -> None:
    async with running_projector(files.world, limits=SOON), files.world.redis() as redis:
        await files.say("file_1", StepStarted, step="embedding")
        await files.become("file_1", has_failed)
        log = await read_log(files.world.kafka.bootstrap_servers, files.world.events)
        expected = expected_model(log, files.world.name)
        assert await stored_model(redis, files.world.name) == expected


async def test_a_sign_of_life_clears_the_flag_and_is_watched_anew(files: Files) -> None:
    limits = Limits(0.5, 60, attentive_for_s=0.5)
    async with running_projector(files.world, limits=limits):
        await files.say("file_1", StepStarted, step="embedding")
        first = await files.become("file_1", is_stalled)
        await files.say("file_1", StepProgressed, step="embedding")
        await files.become("file_1", lambda document: not is_stalled(document))
        again = await files.become("file_1", is_stalled)

    assert again.signed_at_ms > first.signed_at_ms
    assert again.status == "processing"


async def test_files_that_wait_for_a_step_fail_by_the_long_limit_alone(files: Files) -> None:
    limits = Limits(0.5, 1, queued_failed_after_s=4, attentive_for_s=0.5)
    async with running_projector(files.world, limits=limits):
        await files.register("file_queued")
        await files.say("file_between", StepStarted, step="chunking")
        await files.say("file_between", StepCompleted, step="chunking")
        queued = await files.become("file_queued", has_failed)
        between = await files.become("file_between", has_failed)

    assert (queued.current_step, between.current_step) == ("queued", "chunking")
    for file_id in ("file_queued", "file_between"):
        (verdict,) = await files.verdicts(file_id)
        assert isinstance(verdict.event.data, ProcessingFailed)
        assert verdict.silence_s >= 4


async def test_a_steps_own_limit_counts(files: Files) -> None:
    limits = Limits(0.5, 1, attentive_for_s=0.5)
    async with running_projector(files.world, limits=limits):
        await files.say("file_1", StepStarted, step="embedding", max_silence_s=3)
        await files.become("file_1", has_failed)

    stalled, failed = await files.verdicts("file_1")
    assert stalled.silence_s >= 3
    assert failed.silence_s >= 3.5


async def test_a_file_that_signs_is_not_accused_while_another_one_dies(files: Files) -> None:
    async with running_projector(files.world, limits=PATIENT), files.at_work("file_healthy"):
        await files.say("file_dead", StepStarted, step="reading")
        await files.become("file_dead", has_failed)

    assert not await files.is_falsely_accused("file_healthy", PATIENT.stalled_after_s)


async def test_no_verdict_that_counts_is_too_early(files: Files) -> None:
    limits = Limits(1, 60, attentive_for_s=0.5)
    async with (
        running_projector(files.world, limits=limits),
        files.at_work("file_slow", every_s=1.6),
    ):
        for _ in range(2):
            await files.become("file_slow", is_stalled)
            await files.become("file_slow", lambda document: not is_stalled(document))

    verdicts = await files.verdicts("file_slow")
    assert all(verdict.silence_s >= limits.stalled_after_s for verdict in verdicts)


async def test_a_projector_that_comes_back_to_a_backlog_accuses_only_the_dead(
    files: Files,
) -> None:
    await files.say("file_dead", StepStarted, step="reading")
    async with files.at_work("file_healthy", every_s=0.02):
        since = time.monotonic()
        await until(lambda: time.monotonic() - since > PATIENT.failed_after_s)
        async with running_projector(files.world, limits=PATIENT):
            await files.become("file_dead", has_failed)

    assert not await files.is_falsely_accused("file_healthy", PATIENT.stalled_after_s)


async def test_time_before_the_takeover_counts_once_the_brokers_clock_is_known(
    files: Files,
) -> None:
    limits = Limits(0.5, 4, attentive_for_s=0.5)
    await files.say("file_1", StepStarted, step="reading")
    since = time.monotonic()
    await until(lambda: time.monotonic() - since > limits.failed_after_s)
    begun_ms = wall_ms()
    async with running_projector(files.world, limits=limits):
        await files.become("file_1", has_failed)

    stalled, failed = await files.verdicts("file_1")
    assert stalled.silence_s >= limits.failed_after_s
    assert failed.appended_ms - stalled.appended_ms < limits.failed_after_s * 1000
    assert stalled.appended_ms > begun_ms + limits.attentive_for_s * 1000


async def test_in_a_quiet_log_a_line_brings_the_brokers_clock_before_a_waiting_file_fails(
    files: Files,
) -> None:
    limits = Limits(0.5, 1, queued_failed_after_s=4, attentive_for_s=0.5)
    await files.register("file_1")
    since = time.monotonic()
    await until(lambda: time.monotonic() - since > limits.queued_failed_after_s)
    async with running_projector(files.world, limits=limits):
        await files.become("file_1", has_failed)

    _, line, verdict = await files.said_of("file_1")
    assert isinstance(line.event.data, LogRecorded)
    assert line.event.data.message == "No stage has taken the file up so far."
    assert isinstance(verdict.event.data, ProcessingFailed)


async def test_a_frozen_owners_verdict_on_an_older_sign_is_ignored(files: Files) -> None:
    usual = Limits()
    async with running_projector(files.world) as projector:
        await files.say("file_1", StepStarted, step="reading")
        document = await files.become("file_1", lambda document: document.revision)
        stalled = judge(document, Silence(60, 60), usual).verdict
        document.stalled_since = 0
        failed = judge(document, Silence(900, 900), usual).verdict
        assert stalled is not None
        assert failed is not None
        await files.say("file_1", StepProgressed, step="reading")
        for verdict in (stalled, failed):
            await files.event_log.publish(verdict)
        await until(lambda: projector.outcomes["late_verdict"] == 2)
        document = await files.become("file_1", lambda document: document.revision)

    assert (document.status, document.stalled_since) == ("processing", None)


async def test_a_wall_clock_that_jumps_ahead_accuses_nobody(files: Files) -> None:
    limits = Limits(2, 4, queued_failed_after_s=3_600, attentive_for_s=0.5)
    ahead_ms = 0
    async with (
        running_projector(files.world, limits=limits, clock_ms=lambda: wall_ms() + ahead_ms),
        files.at_work("file_healthy"),
    ):
        await files.register("file_queued")
        await files.become("file_queued", lambda document: document.revision)
        ahead_ms = DAY_MS
        await files.say("file_dead", StepStarted, step="reading")
        await files.become("file_dead", has_failed)

    assert not await files.is_falsely_accused("file_healthy", limits.stalled_after_s)
    assert await files.verdicts("file_queued") == []
    stalled, failed = await files.verdicts("file_dead")
    assert (stalled.silence_s >= 2, failed.silence_s >= 4) == (True, True)


async def test_a_new_attempt_of_a_file_that_failed_is_watched(files: Files) -> None:
    limits = Limits(0.5, 1, attentive_for_s=0.5)
    async with running_projector(files.world, limits=limits):
        await files.say("file_1", StepStarted, step="reading")
        await files.become("file_1", has_failed)
        await files.say("file_1", ProcessingRequested, attempt=2, reason="retry")
        await files.say("file_1", StepStarted, attempt=2, step="reading")
        await files.become(
            "file_1", lambda document: document.attempt == 2 and has_failed(document)
        )
