from milepost_projector.partition import Folded
from milepost_projector.silence.partition_watch import PATROLS, PartitionWatch
from milepost_projector.silence.verdicts import Limits, Silence
from milepost_projector.slices import Slot
from milepost_schemas.document import Document
from milepost_schemas.events import ProcessingFailed, ProcessingStalled
from milepost_schemas.progress import Step
from tests.unit.projector.log import START_MS, a_fold

LIMITS = Limits()
BEGUN_MS = 1_000_000
"""When the monotonic clock begins to be looked at; the broker's says `START_MS` then."""
KEY = b"vs_1/file_1"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def at_work(signed_at_ms: int) -> Document:
    steps = [Step("embedding", 0)]
    return Document(
        "org_1", "vs_1", "file_1", 1, status="processing", steps=steps, signed_at_ms=signed_at_ms
    )


def waiting(signed_at_ms: int) -> Document:
    return Document("org_1", "vs_1", "file_1", 1, signed_at_ms=signed_at_ms)


def written(document: Document | None = None, *, appended_ms: int | None = None) -> Folded:
    touched = {} if document is None else {KEY: Slot(KEY, document, None)}
    return Folded(touched=touched, appended_ms=appended_ms)


class Watched:
    """A partition that is watched second by second from `BEGUN_MS` on."""

    def __init__(self) -> None:
        self.watch = PartitionWatch(a_fold(), LIMITS)
        self.now_ms = BEGUN_MS
        self.settle(written())

    def settle(self, folded: Folded) -> None:
        self.watch.attention.learn(self.now_ms, 1)
        self.watch.settle(folded, 1, self.now_ms)

    def attend(self, milliseconds: int) -> None:
        for _ in range(0, milliseconds, 1_000):
            self.now_ms += 1_000
            self.settle(written())

    def silence(self, document: Document) -> Silence:
        return self.watch.silence(KEY, document)


def test_without_the_brokers_clock_only_what_was_witnessed_counts() -> None:
    watched = Watched()
    old = at_work(START_MS - HOUR_MS)
    watched.watch.find({KEY: old}, BEGUN_MS)
    watched.attend(MINUTE_MS)

    assert watched.silence(old) == Silence(60, 60)


def test_a_record_tells_the_brokers_time_and_so_how_old_a_sign_is() -> None:
    watched = Watched()
    old = at_work(START_MS - HOUR_MS)
    watched.watch.find({KEY: old}, BEGUN_MS)
    watched.attend(MINUTE_MS)
    watched.settle(written(appended_ms=START_MS + MINUTE_MS))

    assert watched.silence(old) == Silence(3_660, 60)


def test_a_brokers_clock_that_jumps_ahead_makes_no_silence_longer() -> None:
    watched = Watched()
    old = at_work(START_MS - MINUTE_MS)
    watched.watch.find({KEY: old}, BEGUN_MS)
    watched.settle(written(appended_ms=START_MS))
    watched.attend(MINUTE_MS)
    watched.settle(written(appended_ms=START_MS + MINUTE_MS + HOUR_MS))

    assert watched.silence(old) == Silence(120, 60)


def test_the_record_that_attention_begins_with_tells_nothing_of_the_brokers_time() -> None:
    watch = PartitionWatch(a_fold(), LIMITS)
    watch.attention.learn(BEGUN_MS, 1)
    watch.settle(written(appended_ms=START_MS - HOUR_MS), 1, BEGUN_MS)

    assert not watch.broker_is_known


def test_a_sign_of_life_begins_a_new_silence() -> None:
    watched = Watched()
    watched.watch.find({KEY: at_work(START_MS - HOUR_MS)}, BEGUN_MS)
    watched.attend(MINUTE_MS)
    sign = at_work(START_MS + MINUTE_MS)
    watched.settle(written(sign, appended_ms=START_MS + MINUTE_MS))
    watched.attend(10_000)

    assert watched.silence(sign) == Silence(10, 10)


def test_a_file_that_waits_has_been_silent_since_its_last_sign_by_the_broker() -> None:
    watched = Watched()
    document = waiting(START_MS - HOUR_MS)
    assert watched.silence(document) == Silence(0, 0)
    watched.settle(written(appended_ms=START_MS))
    watched.attend(MINUTE_MS)

    assert watched.silence(document) == Silence(3_660, 60)


def test_a_break_in_the_attention_wipes_out_what_was_witnessed() -> None:
    watched = Watched()
    old = at_work(START_MS - HOUR_MS)
    watched.watch.find({KEY: old}, BEGUN_MS)
    watched.settle(written(appended_ms=START_MS))
    watched.attend(MINUTE_MS)
    watched.now_ms += MINUTE_MS
    watched.settle(written(appended_ms=START_MS))

    assert len(watched.watch.open_steps) == 0
    assert not watched.watch.broker_is_known
    assert watched.silence(old) == Silence(0, 0)


def test_nobody_is_accused_before_a_minute_of_attention() -> None:
    watched = Watched()
    watched.attend(59_000)
    assert not watched.watch.may_accuse(watched.now_ms)
    watched.attend(1_000)
    assert watched.watch.may_accuse(watched.now_ms)


def test_an_older_document_than_memory_has_is_not_judged() -> None:
    watched = Watched()
    old, sign = at_work(START_MS - HOUR_MS), at_work(START_MS)
    watched.settle(written(sign))
    watched.attend(10 * MINUTE_MS)

    assert watched.watch.judge(KEY, old, watched.now_ms).verdict is None
    verdict = watched.watch.judge(KEY, sign, watched.now_ms).verdict
    assert isinstance(verdict, ProcessingStalled)


def test_a_document_with_a_sign_that_memory_does_not_have_yet_begins_anew() -> None:
    watched = Watched()
    watched.watch.find({KEY: at_work(START_MS - HOUR_MS)}, BEGUN_MS)
    watched.attend(10 * MINUTE_MS)

    assert watched.watch.judge(KEY, at_work(START_MS), watched.now_ms).verdict is None


def test_a_stalled_file_is_looked_at_again_when_it_can_fail() -> None:
    watched = Watched()
    document = at_work(START_MS)
    document.stalled_since = START_MS // 1000
    watched.watch.find({KEY: document}, BEGUN_MS)
    watched.attend(MINUTE_MS)
    assert watched.watch.open_steps.due(watched.now_ms, 9) == [KEY]
    assert watched.watch.judge(KEY, document, watched.now_ms).verdict is None

    assert watched.watch.open_steps.due(BEGUN_MS + 899_000, 9) == []
    watched.attend(14 * MINUTE_MS)
    assert watched.watch.open_steps.due(watched.now_ms, 9) == [KEY]
    verdict = watched.watch.judge(KEY, document, watched.now_ms).verdict
    assert isinstance(verdict, ProcessingFailed)


def test_patrols_follow_when_somebody_may_be_accused_and_then_in_the_pace_of_the_queue() -> None:
    watched = Watched()
    watch = watched.watch
    assert watch.wants_patrol(BEGUN_MS)
    watch.patrolled(7, BEGUN_MS)
    assert watch.wants_patrol(BEGUN_MS)
    watch.patrolled(0, BEGUN_MS)
    assert not watch.wants_patrol(BEGUN_MS + MINUTE_MS - 1)
    assert watch.wants_patrol(BEGUN_MS + MINUTE_MS)

    watched.attend(MINUTE_MS)
    watch.patrolled(0, watched.now_ms)
    pace_ms = 24 * HOUR_MS // PATROLS
    assert not watch.wants_patrol(watched.now_ms + pace_ms - 1)
    assert watch.wants_patrol(watched.now_ms + pace_ms)
