import asyncio
from typing import Any

from confluent_kafka import Producer

from milepost_schemas.keys import PartitionKeys
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.running_projector import World
from tests.fixtures.workload import POISON, histories, shuffled
from tests.integration.auditor.audits import (
    WAIT,
    audit,
    keys_of,
    last_change,
    life,
    projected,
    verified,
)

Found = tuple[str, str, int | None]


async def test_a_read_model_that_is_right_is_found_equal(world: World) -> None:
    async with projected(world, shuffled(histories(150, seed=1), seed=2)) as publishing:
        code, report = await verified(world, *WAIT)

    assert (code, report["equal"], report["differences"]) == (0, True, [])
    assert report["records"] == publishing.acknowledged == sum(report["totals"].values())
    assert min(report["totals"].values()) > 0
    assert min(report["compared"].values()) >= 0
    assert {"documents", "statuses", "index_entries", "counter_entries", "dead_letters"} <= set(
        report["compared"]
    )


async def test_every_damage_is_found_with_the_offset_that_explains_it(world: World) -> None:
    names = ("bytes", "lost", "counter", "index", "listed", "open", "lines", "type", "told")
    records = [record for name in names for record in life(name)]
    async with projected(world, records):
        await verified(world, *WAIT)
    offsets = await last_change(world)

    async with world.redis() as redis:
        await _damage(redis, world)
    code, report = await verified(world)

    found = {(one["kind"], one["name"], one["offset"]) for one in report["differences"]}
    assert code == 1
    assert found == set(_expected(world, offsets))
    assert report["difference_count"] == len(report["differences"])


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


def _expected(world: World, offsets: dict[str, int]) -> list[Found]:
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


async def test_a_stale_record_at_the_end_of_the_status_topic_is_found(world: World) -> None:
    async with projected(world, life("told")):
        await verified(world, *WAIT)
    offsets = await last_change(world)
    stale = Producer({"bootstrap.servers": world.kafka.bootstrap_servers})
    key = "vs_told/file_1"
    number = partition_of(key.encode(), PARTITIONS)
    stale.produce(world.statuses, b"{}", key, number)
    await asyncio.to_thread(stale.flush, 30)

    code, report = await verified(world)

    found = [(one["kind"], one["name"], one["offset"]) for one in report["differences"]]
    assert (code, found) == (1, [("status_record", key, offsets["told"])])


async def test_a_missing_dead_letter_is_found(world: World) -> None:
    async with projected(world, [*POISON, *life("a")]):
        await verified(world, *WAIT)

    # Of all the topics, this one surely has no dead letters.
    code, report = await verified(world, MILEPOST_DEAD_LETTER_TOPIC=world.statuses)

    found = [(one["kind"], one["name"], one["offset"]) for one in report["differences"]]
    assert code == 1
    assert found == [("dead_letter", "vs_1/file_poison", offset) for offset in (0, 1, 2)]


async def test_a_checkpoint_that_was_moved_is_found(world: World) -> None:
    async with projected(world, life("a")):
        await verified(world, *WAIT)
    keys = keys_of(world, "a")
    async with world.redis() as redis:
        stored = await redis.get(keys.checkpoint)
        await redis.set(keys.checkpoint, b"3" + stored[1:])

    code, report = await verified(world)

    found = [(one["kind"], one["name"], one["offset"]) for one in report["differences"]]
    assert code == 1
    assert ("checkpoint", keys.checkpoint, 2) in found


async def test_without_a_read_model_nothing_can_be_said(world: World) -> None:
    done = audit(world, "verify", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no " in done.stderr
