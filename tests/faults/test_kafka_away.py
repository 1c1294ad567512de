import os
import signal
import time

from milepost_schemas.times import parse_time_ms
from tests.faults.stand import Stand, Work, until

LONGER_THAN_A_SESSION_S = 12


async def as_of_age_s(work: Work) -> float:
    """How old the answer about a file says that it is."""
    answer = await work.reader.status(next(iter(work.reader.seen)))
    assert answer.status_code == 200
    return time.time() - parse_time_ms(answer.headers["milepost-as-of"]) / 1000


async def test_a_kafka_that_cannot_be_reached_for_longer_than_a_session_is_waited_for(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=14) as work:
        assert stand.kafka.pid is not None
        os.kill(stand.kafka.pid, signal.SIGSTOP)

        async def is_old() -> bool:
            return await as_of_age_s(work) > LONGER_THAN_A_SESSION_S

        try:
            await until(is_old)
            assert await work.answer_of_an_unheard_of_file() == 503
            assert await work.reader.is_ready()
            assert stand.logged("not_now")
        finally:
            os.kill(stand.kafka.pid, signal.SIGCONT)
        await stand.has_moved_on()
        await stand.has_moved_on()
