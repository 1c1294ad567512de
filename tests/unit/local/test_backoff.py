from milepost_local.backoff import Backoff


def test_each_death_doubles_the_wait_up_to_the_limit() -> None:
    backoff = Backoff(first_s=1, limit_s=8)
    assert [backoff.after_death(lived_s=0) for _ in range(6)] == [1, 2, 4, 8, 8, 8]


def test_a_settled_life_makes_the_next_death_the_first_again() -> None:
    backoff = Backoff(first_s=1, limit_s=8, settled_after_s=30)
    backoff.after_death(lived_s=0)
    backoff.after_death(lived_s=29)
    assert backoff.deaths == 2

    assert backoff.after_death(lived_s=30) == 1
    assert backoff.deaths == 1


def test_any_number_of_deaths_has_a_wait() -> None:
    backoff = Backoff(first_s=1, limit_s=8)
    assert {backoff.after_death(lived_s=0) for _ in range(5_000)} == {1, 2, 4, 8}
