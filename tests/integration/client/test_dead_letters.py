"""Dead letters as an operator sees them, and how they come back into the log after a fix."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from typer.testing import Result

from milepost.connection import KafkaSettings
from milepost.publisher import Publisher
from milepost_local.servers import Server
from milepost_schemas.codec import UPCASTS, EncodedRecord, Upcast, encode
from milepost_schemas.dead_letter import DeadLetterFacts, Headers, ValueDigest, fact_headers
from milepost_schemas.document import Document
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.expected_model import read_log
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import Publishing
from tests.integration.client.commands import milepost

DAY_MS = 24 * 3_600_000
NOON_MS = 1_750_075_200_000
KEY = b"vs_1/file_1"

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def world(kafka: Server, redis_server: Server, unique: str) -> World:
    made = World(unique, KafkaSettings(bootstrap_servers=kafka.address), redis_server.address)
    await made.create()
    return made


@pytest.fixture
def run(world: World) -> Run:
    async def run(*arguments: str) -> Result:
        return await milepost(
            "dead-letters",
            *arguments,
            kafka=world.kafka.bootstrap_servers,
            dead_letter=world.dead_letters,
        )

    return run


def facts(world: World, offset: int, **changes: Any) -> DeadLetterFacts:
    return DeadLetterFacts(
        reason="invalid_data",
        detail="Expected `int`",
        source_topic=world.events,
        source_partition=3,
        source_offset=offset,
        projector_version="0.1.0",
        failed_at_ms=NOON_MS,
    )._replace(**changes)


async def bury(
    world: World, *letters: DeadLetterFacts, headers: Headers = (("ce_source", b"/ocr"),)
) -> None:
    async with Publisher(world.kafka) as publisher:
        for letter in letters:
            value = None if letter.digest else b"secret %d" % letter.source_offset
            record = (KEY, value, [*headers, *fact_headers(letter)])
            await publisher.publish(record, world.dead_letters)


async def sent(world: World) -> list[Any]:
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    return [record for records in log.values() for record in records]


def progressed(percent: int) -> EncodedRecord:
    fact = StepProgressed(
        organization_id="org_1",
        store_id="vs_1",
        file_id="file_1",
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"id-{percent}", "/tests", None, fact))


async def test_dead_letters_are_counted_by_reason_and_source(world: World, run: Run) -> None:
    await bury(
        world,
        facts(world, 5),
        facts(world, 9, failed_at_ms=NOON_MS + DAY_MS, detail="Expected `str`"),
        facts(world, 7, reason="unknown_type"),
    )
    await bury(world, facts(world, 8), headers=[])

    listed = await run("--json")
    table = await run()

    assert listed.exit_code == table.exit_code == 0, listed.stderr
    groups = json.loads(listed.stdout)
    assert [(group["reason"], group["source"], group["count"]) for group in groups] == [
        ("invalid_data", "/ocr", 2),
        ("invalid_data", "", 1),
        ("unknown_type", "/ocr", 1),
    ]
    assert groups[0]["example"] == {
        "topic": world.events,
        "partition": 3,
        "offset": 9,
        "failed_at": "2025-06-17T12:00:00.000Z",
        "detail": "Expected `str`",
    }
    assert f"{world.events} 3 9" in table.stdout
    assert "secret" not in listed.stdout + table.stdout


async def test_a_selection_narrows_the_list(world: World, run: Run) -> None:
    await bury(world, facts(world, 1), facts(world, 2, reason="unknown_type"))
    await bury(world, facts(world, 3, failed_at_ms=NOON_MS + DAY_MS), headers=[("ce_source", b"b")])

    async def offsets(*options: str) -> set[int]:
        groups = json.loads((await run("--json", *options)).stdout)
        return {group["example"]["offset"] for group in groups}

    assert await offsets("--reason", "unknown_type") == {2}
    assert await offsets("--source", "b") == {3}
    assert await offsets("--source", "/ocr", "--reason", "invalid_data") == {1}
    assert await offsets("--since", "2025-06-17T00:00:00Z") == {3}
    assert await offsets("--since", "1h") == set()


async def test_what_was_buried_twice_counts_once_and_what_is_no_dead_letter_not_at_all(
    world: World, run: Run
) -> None:
    again = facts(world, 5, failed_at_ms=NOON_MS + DAY_MS, projector_version="0.2.0")
    await bury(world, facts(world, 5), again)
    async with Publisher(world.kafka) as publisher:
        await publisher.publish((KEY, b"a letter to nobody", []), world.dead_letters)

    listed = await run("--json")

    assert [group["count"] for group in json.loads(listed.stdout)] == [1]
    assert listed.stderr == "1 record(s) in the topic are no dead letters.\n"


async def test_what_a_terminal_would_obey_is_not_printed(world: World, run: Run) -> None:
    await bury(world, facts(world, 1), headers=[("ce_source", b"\x1b[2Jevil\nname")])

    table = await run()

    assert "\x1b" not in table.stdout
    assert "evil name" in table.stdout


async def test_a_dry_run_sends_nothing(world: World, run: Run) -> None:
    await bury(world, facts(world, 1), facts(world, 2))

    done = await run("redrive")

    assert done.stdout.splitlines()[-1] == "2 would be sent; add --send to do so."
    assert "secret" not in done.stdout
    assert await sent(world) == []


async def test_the_original_record_is_sent_and_nothing_else(world: World, run: Run) -> None:
    headers: Headers = [("ce_source", b"/ocr"), ("ce_id", b"1"), ("milepost-reason", b"its own")]
    await bury(world, facts(world, 1), headers=headers)
    await bury(world, facts(world, 2, reason="unknown_type"), headers=headers)

    done = await run("redrive", "--reason", "invalid_data", "--send")

    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 1 sent."
    (record,) = await sent(world)
    assert (record.key, record.value, list(record.headers)) == (KEY, b"secret 1", headers)
    assert record.partition == partition_of(KEY, PARTITIONS)


async def test_what_is_kept_by_reference_stays_and_is_said(world: World, run: Run) -> None:
    await bury(world, facts(world, 1), facts(world, 2, digest=ValueDigest(5_000_000, "0" * 64)))

    done = await run("redrive", "--send")

    assert done.stdout.splitlines()[-1] == "1 of 1 sent."
    assert done.stderr.startswith("1 cannot be sent: the value was too large")
    assert [record.value for record in await sent(world)] == [b"secret 1"]


async def test_many_letters_come_back_in_their_order(world: World, run: Run) -> None:
    await bury(world, *(facts(world, offset) for offset in range(250)))

    done = await run("redrive", "--send")

    assert done.stdout.splitlines()[-1] == "250 of 250 sent."
    assert [record.value for record in await sent(world)] == [
        b"secret %d" % offset for offset in range(250)
    ]


async def test_a_selection_in_front_of_the_command_is_refused(world: World, run: Run) -> None:
    await bury(world, facts(world, 1))

    done = await run("--reason", "unknown_type", "redrive", "--send")

    assert done.exit_code == 2
    assert await sent(world) == []


@pytest.mark.parametrize("since", ["yesterday", "2025-06-17T00:00:00", "5 m"])
async def test_a_time_that_is_none_is_refused(run: Run, since: str) -> None:
    done = await run("--since", since)

    assert done.exit_code == 2
    assert "RFC 3339" in done.stderr


async def document(world: World) -> Document | None:
    number = partition_of(KEY, PARTITIONS)
    async with world.redis() as redis:
        stored = await redis.get(Keys(world.name).partition(1, number).file(KEY.decode()))
    return None if stored is None else decode_record(stored)


async def ends(world: World) -> dict[int, int]:
    log = await read_log(world.kafka.bootstrap_servers, world.events)
    return {number: len(records) for number, records in log.items()}


async def test_a_record_in_the_wrong_partition_is_healed_and_sending_twice_is_harmless(
    world: World, run: Run
) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    wrong = (partition_of(KEY, PARTITIONS) + 1) % PARTITIONS
    publishing.publish(progressed(40), partition=wrong)
    await asyncio.to_thread(publishing.flush)
    async with running_projector(world):
        await caught_up(world, publishing.ends)
        assert await document(world) is None
        for _ in range(2):
            assert (await run("redrive", "--reason", "wrong_partition", "--send")).exit_code == 0
            await caught_up(world, await ends(world))
            healed = await document(world)
            assert healed is not None
            assert (healed.progress_percent, healed.revision) == (40, 1)


async def test_what_a_newer_projector_understands_is_applied_after_sending_it_back(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, value, headers = progressed(40)
    old_type = [
        (name, b"milepost.step.progressed.v0" if name == "ce_type" else text)
        for name, text in headers
    ]
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    publishing.publish(EncodedRecord(key, value, old_type))
    await asyncio.to_thread(publishing.flush)
    async with running_projector(world):
        await caught_up(world, publishing.ends)
    assert await document(world) is None

    newer = Upcast("milepost.step.progressed.v1", lambda old: old)
    monkeypatch.setitem(UPCASTS, "milepost.step.progressed.v0", newer)
    async with running_projector(world):
        assert (await run("redrive", "--reason", "unknown_type", "--send")).exit_code == 0
        await caught_up(world, await ends(world))
    healed = await document(world)
    assert healed is not None
    assert (healed.progress_percent, healed.revision) == (40, 1)
