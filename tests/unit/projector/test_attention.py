from milepost_projector.silence.attention import MAX_GAP_MS, Attention

START_MS = 1_000_000
STEP_MS = 250


def attend(attention: Attention, from_ms: int, to_ms: int, *, offset: int = 10) -> None:
    """Ask for the end and reach it, again and again, over a time."""
    for now_ms in range(from_ms, to_ms + 1, STEP_MS):
        attention.learn(now_ms, offset)
        attention.reach(offset, now_ms)


def test_attention_begins_with_the_first_end_that_is_reached() -> None:
    attention = Attention()
    attention.learn(START_MS, 10)

    assert not attention.reach(9, START_MS)
    assert attention.lasts_ms(START_MS) is None
    assert not attention.reach(10, START_MS)
    assert attention.lasts_ms(START_MS) == 0


def test_it_lasts_up_to_the_newest_question_whose_answer_is_reached() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)
    attention.learn(START_MS + 60_250, 11)

    assert attention.reach(10, START_MS + 60_500)
    assert attention.lasts_ms(START_MS + 60_500) == 60_000


def test_it_breaks_while_nothing_is_answered() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)

    assert attention.lasts_ms(START_MS + 60_000 + MAX_GAP_MS) is not None
    assert attention.lasts_ms(START_MS + 60_000 + MAX_GAP_MS + 1) is None


def test_it_starts_over_after_a_break() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)
    later = START_MS + 60_000 + MAX_GAP_MS + 1
    attention.learn(later, 10)

    assert not attention.reach(10, later)
    assert attention.lasts_ms(later) == 0


def test_it_starts_over_when_many_answers_are_reached_only_later() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)
    later = range(START_MS + 60_250, START_MS + 120_000, STEP_MS)
    for now_ms in later:
        attention.learn(now_ms, 10)

    assert not attention.reach(10, later[-1])
    assert attention.lasts_ms(later[-1]) == 0


def test_it_is_broken_while_the_model_is_behind_though_it_moves_on() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)
    behind_ms = MAX_GAP_MS + STEP_MS
    for now_ms in range(START_MS + 60_000, START_MS + 90_000, STEP_MS):
        attention.learn(now_ms, now_ms)
        is_unbroken = attention.reach(now_ms - behind_ms, now_ms)

    assert not is_unbroken
    assert attention.lasts_ms(now_ms) is None


def test_an_owner_that_was_frozen_is_not_attentive_when_it_wakes() -> None:
    attention = Attention()
    attend(attention, START_MS, START_MS + 60_000)
    attention.learn(START_MS + 60_100, 10)
    woken = START_MS + 600_000

    assert attention.lasts_ms(woken) is None
    assert not attention.reach(10, woken)
    assert attention.lasts_ms(woken) is None
