import asyncio
import signal

from tests.faults.load import Load
from tests.faults.stand import STRIDE, Stand
from tests.fixtures.expected_model import expected_model, read_log
from tests.fixtures.newest_statuses import newest_statuses, told_by
from tests.fixtures.waiting import until


async def test_a_frozen_owner_that_wakes_with_a_write_in_hand_does_no_harm(stand: Stand) -> None:
    async with stand.at_work(seed=6) as work:
        # Without Redis the owner cannot put its batch down.
        stand.redis.kill()
        published = work.load.acknowledged
        await until(lambda: work.load.acknowledged > published + STRIDE)
        stand.send(signal.SIGSTOP)
        await stand.redis.start()

        stand.new_projector("successor").launch()
        await stand.has_moved_on()
        await stand.has_moved_on()
        stand.send(signal.SIGCONT)
        await stand.has_moved_on()


async def test_an_owner_frozen_between_write_and_publication_has_not_the_last_word(
    stand: Stand,
) -> None:
    world, load = stand.world, Load(stand.world.kafka.bootstrap_servers, stand.world.events, 13)
    stand.projector.launch()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(load.run))
        await stand.has_moved_on()
        await stand.freeze_with_unpublished()
        published = load.acknowledged
        await until(lambda: load.acknowledged > published + STRIDE)
        load.stop()
    stand.new_projector("successor").launch()
    await stand.is_published(load.ends)
    # Nothing newer comes now that could hide what the owner says when it wakes.
    before = len(stand.logged("partition_opened"))
    stand.send(signal.SIGCONT)
    await until(lambda: len(stand.logged("partition_opened")) > before)

    model = expected_model(await read_log(world.kafka.bootstrap_servers, world.events), world.name)
    assert await newest_statuses(world) == told_by(model)
