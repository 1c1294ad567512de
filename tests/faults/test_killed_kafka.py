from tests.faults.stand import Stand


async def test_a_kafka_that_is_killed_is_waited_for(stand: Stand) -> None:
    async with stand.at_work(seed=5):
        stand.kafka.kill()
        await stand.kafka.start()
        await stand.has_moved_on()
