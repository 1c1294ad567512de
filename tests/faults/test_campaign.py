import asyncio

import pytest

from milepost_schemas.document import Document
from milepost_schemas.keys import Keys
from milepost_schemas.record import encode_record
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.faults.campaign.conduct import conduct
from tests.faults.campaign.faults import FAULTS
from tests.faults.campaign.load import EndlessLoad
from tests.faults.campaign.plan import make_plan
from tests.faults.campaign.reckoning import Reckoning
from tests.faults.stand import Stand
from tests.fixtures.running_projector import World, caught_up, running_projector
from tests.fixtures.waiting import until

SHORT = [fault for fault in FAULTS if not fault.is_long]
SEED = 3


@pytest.mark.timeout(300)
async def test_random_faults_lose_nothing_and_make_nobody_lie(stand: Stand) -> None:
    plan = make_plan(7, SEED, SHORT)
    report = await conduct(stand, plan, SEED, print)
    assert (report.lost, report.lies, report.crashes, report.unrecovered) == ([], [], [], [])
    assert report.faults == 7
    told = report.as_dict()
    assert min(told["applied"], told["duplicates_absorbed"], told["dead_lettered"]) > 0


def test_the_same_seed_makes_the_same_plan() -> None:
    assert make_plan(200, 5, FAULTS) == make_plan(200, 5, FAULTS)
    assert make_plan(200, 5, FAULTS) != make_plan(200, 6, FAULTS)


def test_every_kind_of_fault_comes_equally_often() -> None:
    plan = [fault for group in make_plan(20 * len(FAULTS), 5, FAULTS) for fault in group]
    assert {fault.name: plan.count(fault) for fault in FAULTS} == {
        fault.name: 20 for fault in FAULTS
    }


async def some_load(world: World) -> EndlessLoad:
    """Load that has been projected, and of which nothing moves any more."""
    load = EndlessLoad(world.kafka.bootstrap_servers, world.events, 1)
    async with running_projector(world):
        running = asyncio.create_task(asyncio.to_thread(load.run))
        await until(lambda: load.acknowledged > 1_000)
        load.stop()
        await running
        await caught_up(world, load.ends)
    return load


def place_of(world: World, file: str) -> str:
    number = partition_of(file.encode(), PARTITIONS)
    return Keys(world.name).partition(1, number).file(file)


async def test_a_reckoning_finds_what_was_lost_and_what_was_made_up(stand: Stand) -> None:
    world = stand.world
    load = await some_load(world)
    sound = Reckoning(world, load)
    await sound.settle(1, stand.is_published)
    assert sound.lost == []
    assert load.acknowledged == sound.outcomes.total() + sound.duplicates

    known = sorted(load.known)
    gone, replaced = place_of(world, known[0]), place_of(world, known[1])
    made_up = Document("org_1", "vs_1", "file_made_up", revision=1)
    async with world.redis() as redis:
        await redis.delete(gone)
        await redis.set(replaced, encode_record(made_up))
    load.digests[0].append(1)
    dishonest = Reckoning(world, load)
    await dishonest.settle(1, stand.is_published)
    found = "\n".join(dishonest.lost)
    assert f"{gone}: None, not" in found
    assert f"{replaced}: b'org_1 1 " in found
    assert "log 0: ends at" in found


async def test_a_reckoning_misses_statuses_and_dead_letters(stand: Stand) -> None:
    load = await some_load(stand.world)
    reckoning = Reckoning(stand.world, load)
    # Read already, and so not found again.
    for tail in (reckoning._letters, reckoning._statuses):
        assert [record async for record in tail.read()]
    await reckoning.settle(1, stand.is_published)
    found = "\n".join(reckoning.lost)
    assert "no dead letter of" in found
    assert f"the last record of {min(load.known)} is not the newest" in found
