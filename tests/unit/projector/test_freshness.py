import random

from milepost_projector.freshness import MAX_QUESTIONS, Freshness


def test_a_partition_that_nothing_was_asked_of_claims_nothing_new() -> None:
    assert Freshness(7).as_of_ms(1_000_000) == 7


def test_a_question_counts_once_its_answer_is_reached() -> None:
    freshness = Freshness()
    freshness.learn(100, 10)
    assert [freshness.as_of_ms(offset) for offset in (9, 10)] == [0, 100]


def test_the_newest_reached_question_counts() -> None:
    freshness = Freshness()
    for asked_at_ms, end in ((100, 10), (200, 10), (300, 11)):
        freshness.learn(asked_at_ms, end)
    assert freshness.as_of_ms(10) == 200


def test_the_newest_answer_is_the_end() -> None:
    freshness = Freshness()
    freshness.learn(100, 10)
    freshness.learn(200, 15)
    assert freshness.end_offset == 15


def test_what_was_claimed_is_never_taken_back() -> None:
    freshness = Freshness(500)
    freshness.learn(100, 10)
    assert freshness.as_of_ms(10) == 500


def test_what_was_claimed_by_a_clock_that_was_ahead_is_taken_back() -> None:
    freshness = Freshness()
    freshness.learn(3_600_000, 10)
    assert freshness.as_of_ms(10) == 3_600_000
    freshness.learn(5_000, 12)
    assert freshness.as_of_ms(11) == 0
    assert freshness.as_of_ms(12) == 5_000


def test_no_question_of_a_clock_that_was_ahead_counts_after_it_was_set_right() -> None:
    freshness = Freshness()
    freshness.learn(3_600_000, 10)
    freshness.learn(5_000, 11)
    freshness.learn(5_250, 11)
    assert freshness.as_of_ms(11) == 5_250


def test_an_owner_that_is_far_behind_remembers_a_bounded_number_of_questions() -> None:
    freshness = Freshness()
    for number in range(10 * MAX_QUESTIONS):
        freshness.learn(number, 1_000 + number)
    assert len(freshness._unreached) == MAX_QUESTIONS


def test_questions_beyond_the_bound_leave_the_oldest_and_the_newest() -> None:
    freshness = Freshness()
    last = 2 * MAX_QUESTIONS
    for number in range(last + 1):
        freshness.learn(number, 1_000 + number)
    assert freshness.as_of_ms(1_003) == 3
    assert freshness.as_of_ms(1_000 + last - 1) < last
    assert freshness.as_of_ms(1_000 + last) == last


def test_no_claim_is_ever_newer_than_what_the_answers_allow() -> None:
    lot = random.Random(1)  # noqa: S311  a reproducible history, not a secret
    freshness, answers = Freshness(), []
    now = end = applied = 0
    for _ in range(20_000):
        now += lot.randrange(1, 5)
        end += lot.choice((0, 0, 1, 3))
        applied = min(end, applied + lot.choice((0, 1, 2)))
        if lot.random() < 0.3:
            freshness.learn(now, end)
            answers.append((now, end))
        claimed = freshness.as_of_ms(applied)
        assert claimed <= max((at for at, answer in answers if answer <= applied), default=0)
        answers = answers[-2 * MAX_QUESTIONS :]
