from tests.faults.stand import Stand


async def test_a_projector_that_is_killed_again_and_again_loses_nothing(stand: Stand) -> None:
    async with stand.at_work(seed=1):
        for _ in range(3):
            stand.projector.kill()
            stand.projector.launch()
            await stand.has_moved_on()
