from milepost_query.access.allowance import Allowance, Budget, Lease

BUDGET = Budget("status", rate_per_s=5)
"""50 at once, leases of one."""


def spend(allowance: Allowance, now: float, *, cost: float = 1) -> int:
    """How many requests get through at a moment."""
    spent = 0
    while allowance.take(cost, now):
        spent += 1
    return spent


def test_who_has_not_asked_before_may_ask_the_quota_at_once_and_no_more() -> None:
    allowance = Allowance(BUDGET, 100.0)

    assert spend(allowance, 100.0) == 50
    assert allowance.remaining(100.0) == 0


def test_what_is_spent_comes_back_at_the_rate_up_to_the_quota() -> None:
    allowance = Allowance(BUDGET, 100.0)
    spend(allowance, 100.0)

    assert spend(allowance, 102.0) == 10
    assert spend(allowance, 1_000.0) == 50


def test_a_request_can_cost_several_tokens_and_costs_none_if_it_is_refused() -> None:
    allowance = Allowance(BUDGET, 100.0)

    assert spend(allowance, 100.0, cost=26) == 1
    assert allowance.remaining(100.0) == 24


def test_a_refused_caller_is_told_when_there_will_be_enough() -> None:
    allowance = Allowance(BUDGET, 100.0)
    spend(allowance, 100.0)

    assert allowance.retry_after_s(1, 100.0) == 1
    assert allowance.retry_after_s(26, 100.0) == 6
    assert allowance.retry_after_s(26, 105.0) == 1


def test_one_lease_is_taken_at_a_time() -> None:
    allowance = Allowance(BUDGET, 100.0)

    assert allowance.begin_lease(100.0)
    assert not allowance.begin_lease(100.0)
    allowance.settle(Lease(1, 49), 100.0)
    assert not allowance.begin_lease(100.0)
    allowance.take(1, 100.0)
    assert allowance.begin_lease(100.0)


def test_what_was_spent_ahead_is_paid_with_the_lease_and_not_again() -> None:
    allowance = Allowance(BUDGET, 100.0)
    for _ in range(3):
        allowance.take(1, 100.0)
    allowance.begin_lease(100.0)
    owed = allowance.pay()
    allowance.take(1, 100.0)
    allowance.settle(Lease(1, 46), 100.0)

    remaining = allowance.remaining(100.0)
    allowance.take(1, 100.0)

    assert (owed, remaining) == (3, 46)
    assert allowance.begin_lease(100.0)
    assert allowance.pay() == 1


def test_what_others_have_taken_is_known_with_the_next_lease() -> None:
    allowance = Allowance(BUDGET, 100.0)
    allowance.take(1, 100.0)
    allowance.begin_lease(100.0)
    allowance.pay()

    allowance.settle(Lease(0, -20), 100.0)

    assert spend(allowance, 100.0) == 0
    assert spend(allowance, 104.0) == 0
    assert spend(allowance, 105.0) == 5


def test_an_empty_bucket_is_not_asked_for_each_refused_request() -> None:
    allowance = Allowance(BUDGET, 100.0)
    allowance.begin_lease(100.0)
    allowance.settle(Lease(0, 0), 100.0)

    asked = [allowance.begin_lease(100.0), allowance.begin_lease(100.2)]

    assert asked == [False, True]


def test_without_the_shared_bucket_a_process_fills_its_own() -> None:
    allowance, spent = Allowance(BUDGET, 100.0), 0
    for tenths in range(200):
        now = 100.0 + tenths / 10
        if allowance.begin_lease(now):
            allowance.pay()
            allowance.settle_alone(now)
        spent += spend(allowance, now)

    assert 145 <= spent <= 150
