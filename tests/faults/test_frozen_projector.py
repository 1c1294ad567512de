import signal

from tests.faults.stand import STRIDE, Stand
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
    async with stand.at_work(seed=13):
        caught = await stand.freeze_with_unpublished()

        stand.new_projector("successor").launch()
        await stand.is_published(caught)
        await stand.has_moved_on()
        assert not stand.logged("fenced")
        stand.send(signal.SIGCONT)
        await stand.has_moved_on()
