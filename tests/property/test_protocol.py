import pytest

from tests.property.protocol_machine import check_protocol


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("small_sizes")
def test_nothing_that_happens_between_two_steps_makes_the_projector_lie() -> None:
    check_protocol()
