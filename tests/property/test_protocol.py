import pytest

from tests.property.protocol_machine import (
    Rebuilding,
    check_protocol,
    unanswered_yet,
)


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("small_sizes")
def test_nothing_that_happens_between_two_steps_makes_the_projector_lie() -> None:
    check_protocol()


@pytest.mark.usefixtures("small_sizes")
def test_partitions_that_were_opened_in_different_generations_end_in_the_live_one() -> None:
    machine = Rebuilding()
    bursts = [("broken", 0, 0, 1), ("progressed", 1, 0, 2)]
    machine.begin(owners=1, published=bursts, until=("unlink", 0))
    machine.work_disturbed([("broken", 0, 1, 8)], 60, [("commit", unanswered_yet)])
    machine.crash_a_rebuild(0)
    machine.lose_the_tail_for_a_while(7, 12)
    machine.lose_the_tail(7)
    machine.work_out_of_order(0, [("progressed", 0, 0, 2)], [0, 1, 0, 0, 2, 1, 2, 0])
    machine.lose_what_was_rebuilt()
    machine.teardown()
