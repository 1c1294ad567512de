import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from milepost_projector.silence.verdicts import Silence, judge
from milepost_schemas.codec import decode, encode
from milepost_schemas.document import Document
from milepost_schemas.events import Event, ProcessingFailed, ProcessingStalled
from milepost_schemas.fold import fold
from tests.property.histories import Move, moves, play
from tests.property.silence_world import (
    LIMIT_OF_ITS_OWN_S,
    LIMITS,
    SIGN_EVERY_S,
    Fault,
    SilenceWorld,
    Stage,
)

faults = st.sampled_from(
    ["none", "none", "kafka_away", "redis_away", "behind", "frozen", "takeover"]
)
stretches = st.lists(
    st.tuples(faults, st.integers(1, 150), st.sampled_from([0, 0, 0, 3_600, -3_600])), max_size=8
)


@given(stretches, st.integers(6, 300))
@settings(max_examples=60)
def test_the_dead_are_found_and_nobody_healthy_is_accused(
    stretches: list[tuple[Fault, int, int]], dies_at_s: int
) -> None:
    world = SilenceWorld(
        [
            Stage("file_healthy", SIGN_EVERY_S),
            Stage("file_slow", LIMIT_OF_ITS_OWN_S - 2, LIMIT_OF_ITS_OWN_S),
            Stage("file_dead", SIGN_EVERY_S, dies_at_s=dies_at_s),
        ]
    )
    world.run("none", 5)
    for fault, seconds, jump_s in stretches:
        world.run(fault, seconds, broker_jump_s=jump_s)
    # The longest that it may take: to be attentive, stalled, and then silent for long enough.
    world.run("none", max(0, dies_at_s - (world.now_s - world.began_s)))
    world.run("none", int(LIMITS.failed_after_s + 2 * LIMITS.attentive_for_s) + 10)

    assert world.document("file_dead").status == "failed"
    assert {verdict.file_id for verdict in world.verdicts} == {"file_dead"}
    for name in ("file_healthy", "file_slow"):
        document = world.document(name)
        assert (document.status, document.stalled_since) == ("processing", None)


@given(moves(), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_verdict_on_the_newest_document_is_always_one_that_the_fold_accepts(
    history: list[Move], total_s: float, witnessed_s: float
) -> None:
    for *_, after in play(history):
        verdict = judge(after, Silence(total_s, witnessed_s), LIMITS).verdict
        if verdict is not None:
            assert accepted(after, verdict)


def accepted(document: Document, verdict: ProcessingStalled | ProcessingFailed) -> bool:
    event = decode(*encode(Event("verdict", "/tests", None, verdict)))
    return fold(copy.deepcopy(document), event, document.offset + 1, 0) == "applied"
