import asyncio
import itertools
import json
from typing import Any

import pytest
from confluent_kafka import Producer

from milepost_auditor.errors import (
    NotCaughtUpError,
    NotComparableError,
    ReadModelUnavailableError,
)
from milepost_auditor.report import Report
from milepost_auditor.topic_reader import Record, TopicReader
from milepost_schemas.keys import PartitionKeys
from milepost_schemas.topics import PARTITIONS
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.workload import POISON, Publishing, histories, shuffled
from tests.integration.auditor.audits import (
    WITHIN_S,
    audit,
    found,
    keys_of,
    last_change,
    life,
    partition_of_life,
    projected,
    verified,
)


async def test_a_read_model_that_is_right_is_found_equal(world: World) -> None:
    async with projected(world, shuffled(histories(150, seed=1), seed=2)) as publishing:
        done = await asyncio.to_thread(
            audit, world, "verify", "--json", "--caught-up-within", str(WITHIN_S)
        )
    table = await asyncio.to_thread(audit, world, "verify")

    report = json.loads(done.stdout)
    assert (done.returncode, report["equal"], report["differences"]) == (0, True, [])
    assert report["records"] == publishing.acknowledged == sum(report["totals"].values())
    assert min(report["totals"].values()) > 0
    assert (report["files"], report["compared"]["statuses"]) == (150, 150)
    assert report["compared"]["dead_letters"] == report["totals"]["dead_lettered"]
    assert table.returncode == 0
    assert "Equal." in table.stdout


async def test_every_damage_is_found_with_the_offset_that_explains_it(world: World) -> None:
    names = ("bytes", "lost", "counter", "index", "listed", "open", "lines", "type", "told")
    async with projected(world, [record for name in names for record in life(name)]):
        await verified(world, within_s=WITHIN_S)
    offsets = await last_change(world)

    async with world.redis() as redis:
        await _damage(redis, world)
    report = await verified(world)
    done = await asyncio.to_thread(audit, world, "verify")

    assert set(found(report)) == set(_expected(world, offsets))
    assert report.difference_count == len(report.differences)
    assert done.returncode == 1
    assert "10 differences." in done.stdout


async def _damage(redis: Any, world: World) -> None:
    document = keys_of(world, "bytes").file("vs_bytes/file_1")
    value = await redis.get(document)
    await redis.set(document, value[:-1] + bytes([value[-1] ^ 1]))
    await redis.delete(keys_of(world, "lost").file("vs_lost/file_1"))
    await redis.hincrby(keys_of(world, "counter").usage("org_counter"), "vs_counter/files", 1)
    await redis.zrem(keys_of(world, "index").files("org_index", "vs_index"), "file_1")
    await redis.zadd(keys_of(world, "listed").files("org_listed", "vs_listed"), {"file_2": 5})
    await redis.srem(keys_of(world, "open").open_files, "vs_open/file_1")
    await redis.rpush(keys_of(world, "lines").log("vs_lines/file_1"), "a line of nobody")
    usage = keys_of(world, "type").usage("org_type")
    await redis.delete(usage)
    await redis.set(usage, "1")
    await redis.set(keys_of(world, "told").file("vs_ghost/file_1"), "boo")
    await redis.set(f"{world.name}:nonsense", "boo")


def _expected(world: World, offsets: dict[str, int]) -> list[tuple[str, str, int | None]]:
    def keys(name: str) -> PartitionKeys:
        return keys_of(world, name)

    return [
        ("document", "vs_bytes/file_1", offsets["bytes"]),
        ("document", "vs_lost/file_1", offsets["lost"]),
        ("counter", keys("counter").usage("org_counter"), offsets["counter"]),
        ("index", keys("index").files("org_index", "vs_index"), offsets["index"]),
        ("index", keys("listed").files("org_listed", "vs_listed"), None),
        ("open_files", keys("open").open_files, offsets["open"]),
        ("log_lines", "vs_lines/file_1", offsets["lines"]),
        ("counter", keys("type").usage("org_type"), offsets["type"]),
        ("unexpected_key", keys("told").file("vs_ghost/file_1"), None),
        ("unexpected_key", f"{world.name}:nonsense", None),
    ]


async def test_a_stale_last_record_in_the_status_topic_is_found(world: World) -> None:
    async with projected(world, life("a")[:2]):
        await verified(world, within_s=WITHIN_S)
        stale = await asyncio.to_thread(_newest_status, world, "a")
    async with projected(world, life("a")[2:]):
        await verified(world, within_s=WITHIN_S)
    offsets = await last_change(world)
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap_servers})
    headers: Any = stale.headers()
    producer.produce(
        world.statuses, stale.value(), stale.key(), partition_of_life("a"), headers=headers
    )
    await asyncio.to_thread(producer.flush, 30)

    report = await verified(world)

    assert found(report) == [("status_record", "vs_a/file_1", offsets["a"])]
    assert "made by the event at 1" in report.differences[0].detail


async def test_what_is_committed_but_not_visible_yet_is_waited_for(world: World) -> None:
    async with projected(world, life("a")):
        await verified(world, within_s=WITHIN_S)
    newest = await asyncio.to_thread(_newest_status, world, "a")
    headers: Any = newest.headers()
    to = (world.statuses, b"{}", newest.key(), partition_of_life("a"))
    producer = Producer(
        {"bootstrap.servers": world.kafka.bootstrap_servers, "transactional.id": world.name}
    )
    await asyncio.to_thread(producer.init_transactions, 30)
    await asyncio.to_thread(_transact, producer, to)
    producer.begin_transaction()
    producer.produce(world.statuses, newest.value(), newest.key(), to[3], headers=headers)
    await asyncio.to_thread(producer.flush, 30)

    verifying = asyncio.create_task(verified(world))
    seen = await asyncio.wait({verifying}, timeout=2)
    await asyncio.to_thread(producer.commit_transaction, 30)

    assert seen == (set(), {verifying})
    assert found(await verifying) == []


def _transact(producer: Producer, record: tuple[str, bytes, bytes | None, int]) -> None:
    producer.begin_transaction()
    producer.produce(*record)
    producer.commit_transaction(30)


def _newest_status(world: World, name: str) -> Record:
    with TopicReader(world.kafka, world.statuses, partition_of_life(name)) as reader:
        return [record for batch in reader.to_the_end() for record in batch][-1]


async def test_a_missing_dead_letter_is_found(world: World) -> None:
    async with projected(world, [*POISON, *life("a")]):
        await verified(world, within_s=WITHIN_S)

    # Of all the topics, this one surely has no dead letters.
    report = await verified(world, dead_letter_topic=world.statuses)

    assert found(report) == [("dead_letter", "vs_1/file_poison", offset) for offset in (0, 1, 2)]


async def test_a_checkpoint_that_was_moved_is_found(world: World) -> None:
    async with projected(world, life("a")):
        await verified(world, within_s=WITHIN_S)
    keys = keys_of(world, "a")
    async with world.redis() as redis:
        stored = await redis.get(keys.checkpoint)
        await redis.set(keys.checkpoint, b"3" + stored[1:])

    report = await verified(world)

    assert ("checkpoint", keys.checkpoint, 2) in found(report)
    assert ("published", keys.published, 2) in found(report)


async def test_another_log_under_the_same_name_is_no_difference_but_no_finding(
    world: World,
) -> None:
    async with projected(world, life("a")):
        await verified(world, within_s=WITHIN_S)
    keys = keys_of(world, "a")
    async with world.redis() as redis:
        stored = await redis.get(keys.checkpoint)
        await redis.set(keys.checkpoint, stored[:-1] + (b"0" if stored[-1:] != b"0" else b"1"))
        with pytest.raises(NotComparableError, match="another log"):
            await verified(world)
        await redis.set(keys.checkpoint, b"40" + stored[1:])
        with pytest.raises(NotComparableError, match="beyond the end"):
            await verified(world)
        await redis.set(keys.checkpoint, b"4 0 4 9 -")
        with pytest.raises(NotComparableError, match="recovering"):
            await verified(world)


async def test_what_is_not_applied_in_time_is_no_finding(world: World) -> None:
    async with projected(world, life("a")):
        await verified(world, within_s=WITHIN_S)
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    publishing.publish(life("b")[0])
    await asyncio.to_thread(publishing.flush)

    assert found(await verified(world)) == []
    with pytest.raises(NotCaughtUpError, match="is at 0 and published to 0 of 1"):
        await verified(world, within_s=0.2)


async def test_without_a_read_model_nothing_can_be_said(world: World) -> None:
    with pytest.raises(ReadModelUnavailableError, match="no model"):
        await verified(world)
    done = audit(world, "verify", "--json")
    assert (done.returncode, done.stdout) == (2, "")


async def test_it_can_be_verified_while_events_come_in(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    reports: list[Report] = []

    async def verify_again_and_again() -> None:
        while len(reports) < 3:
            reports.append(await verified(world, processes=1 + len(reports) % 2))

    def publish_until(verifying: asyncio.Task[None]) -> None:
        for seed in itertools.count():
            for number, record in enumerate(shuffled(histories(100, seed), seed)):
                publishing.publish(record)
                if number % 100 == 0:
                    publishing.flush()
                if verifying.done():
                    return

    async with running_projector(world):
        await caught_up(world, dict.fromkeys(range(PARTITIONS), 0))
        verifying = asyncio.create_task(verify_again_and_again())
        await asyncio.to_thread(publish_until, verifying)
        await verifying
    assert [found(report) for report in reports] == [[]] * 3
    assert sum(reports[-1].totals.values()) > sum(reports[0].totals.values())
