import httpx
import pytest

from milepost.conversations import Pace
from milepost.errors import (
    GatewayError,
    NotFoundError,
    NotReadyError,
    RateLimitedError,
    UnreachableError,
    WaitTimeoutError,
)
from milepost.waiting import wait
from tests.unit.client.scripted_service import (
    PATH,
    Held,
    ScriptedService,
    error,
    refused,
    status,
)


def preferences(service: ScriptedService) -> list[str | None]:
    return [request.headers.get("Prefer") for request in service.asked]


def test_waiting_ends_with_the_first_terminal_status() -> None:
    service = ScriptedService(status("pending"), status("processing"), status("failed"))

    answer = service.carry_out(wait(PATH, 60, service.pace))

    assert answer.status == "failed"
    assert len(service.asked) == 3


def test_polling_asks_for_news_only() -> None:
    not_modified = httpx.Response(304)
    service = ScriptedService(
        status("processing", etag='"1.4"'), not_modified, status("completed", etag='"1.5"')
    )

    service.carry_out(wait(PATH, 60, service.pace))

    assert [request.headers for request in service.asked] == [
        {"Prefer": "wait=30"},
        {"If-None-Match": '"1.4"'},
        {"If-None-Match": '"1.4"'},
    ]


def test_pauses_grow_while_nothing_happens_and_stay_bounded() -> None:
    service = ScriptedService(status("processing", etag='"1.4"'), httpx.Response(304))

    with pytest.raises(WaitTimeoutError):
        service.carry_out(wait(PATH, 120, service.pace))

    growing = service.pauses[1:-1]
    assert growing == sorted(growing)
    assert growing[-1] == 5
    assert sum(service.pauses) == pytest.approx(120)


def test_pauses_are_short_again_after_news() -> None:
    service = ScriptedService(
        status("pending", etag='"1.1"'),
        *[httpx.Response(304) for _ in range(6)],
        status("processing", etag='"1.2"'),
        httpx.Response(304),
        status("completed"),
    )

    service.carry_out(wait(PATH, 120, service.pace))

    assert service.pauses[8] < service.pauses[6] / 2


def test_clients_that_started_together_do_not_ask_together() -> None:
    early, late = Pace(jitter=lambda: 0.0).pause_s(3), Pace(jitter=lambda: 1.0).pause_s(3)

    assert late / early == pytest.approx(1.25 / 0.75)


def test_waiting_for_too_long_is_an_error_with_the_last_status() -> None:
    service = ScriptedService(status("processing"))

    with pytest.raises(WaitTimeoutError, match="within 3 s") as caught:
        service.carry_out(wait(PATH, 3, service.pace))

    assert caught.value.last_status is not None
    assert caught.value.last_status.status == "processing"
    assert service.now == pytest.approx(3)


def test_no_request_outlasts_the_wait() -> None:
    service = ScriptedService(status("processing"))

    with pytest.raises(WaitTimeoutError):
        service.carry_out(wait(PATH, 0.5, service.pace))

    assert all(request.timeout_s <= 0.5 for request in service.asked)


def test_waiting_outlasts_a_service_that_is_away() -> None:
    service = ScriptedService(
        refused(), *[error(503, retry_after="1") for _ in range(5)], status("completed")
    )

    assert service.carry_out(wait(PATH, 60, service.pace)).status == "completed"
    assert min(service.pauses[1:]) >= 1


def test_waiting_for_a_service_that_never_comes_names_the_cause() -> None:
    service = ScriptedService(refused())

    with pytest.raises(WaitTimeoutError, match="unknown") as caught:
        service.carry_out(wait(PATH, 3, service.pace))

    assert caught.value.last_status is None
    assert isinstance(caught.value.__cause__, UnreachableError)


def test_waiting_for_a_file_that_is_not_there_ends_at_once() -> None:
    service = ScriptedService(error(404))

    with pytest.raises(NotFoundError):
        service.carry_out(wait(PATH, 60, service.pace))
    assert len(service.asked) == 1


def test_a_service_that_holds_requests_is_asked_once_until_the_file_is_terminal() -> None:
    service = ScriptedService(Held(12, status("completed", etag='"1.5"')))

    assert service.carry_out(wait(PATH, 60, service.pace)).status == "completed"
    assert preferences(service) == ["wait=30"]
    assert service.pauses == []


def test_what_the_service_held_as_long_as_it_could_is_asked_again_at_once() -> None:
    service = ScriptedService(
        Held(30, status("processing", etag='"1.4"')),
        Held(30, status("processing", etag='"1.9"')),
        Held(2, status("completed", etag='"1.10"')),
    )

    service.carry_out(wait(PATH, 600, service.pace))

    assert service.pauses == []
    # Without a condition: each revision on the way would end the request.
    assert [dict(request.headers) for request in service.asked] == [{"Prefer": "wait=30"}] * 3


def test_an_answer_that_came_early_and_is_not_terminal_is_followed_by_a_pause() -> None:
    service = ScriptedService(
        Held(0, status("processing")), Held(0, status("processing")), Held(0, status("failed"))
    )

    service.carry_out(wait(PATH, 600, service.pace))

    assert len(service.pauses) == 2
    assert min(service.pauses) > 0


def test_a_service_that_holds_no_requests_is_asked_to_only_once() -> None:
    service = ScriptedService(status("pending"), status("pending"), status("completed"))

    service.carry_out(wait(PATH, 60, service.pace))

    assert preferences(service) == ["wait=30", None, None]
    assert len(service.pauses) == 2


def test_reading_outlasts_what_the_service_holds_and_nothing_outlasts_the_wait() -> None:
    service = ScriptedService(Held(0, status("processing")))
    limits = []
    wait_s = 45.5
    with pytest.raises(WaitTimeoutError):
        service.carry_out(wait(PATH, wait_s, service.pace))

    for request in service.asked:
        assert request.timeout.read == request.timeout_s + request.held_s > request.held_s
        limits.append(request.held_s + request.timeout_s)
    assert max(limits) == 40
    assert service.asked[0].held_s == 30
    assert service.asked[-1].held_s == 0
    assert service.now == pytest.approx(wait_s)


def test_a_request_whose_hold_failed_is_followed_by_one_that_is_not_held() -> None:
    for failure, cause in (
        (error(429, retry_after="3"), RateLimitedError),
        (error(504), GatewayError),
        (httpx.ReadTimeout("late"), UnreachableError),
        (error(503), NotReadyError),
    ):
        service = ScriptedService(failure, status("processing"), Held(1, status("completed")))

        service.carry_out(wait(PATH, 600, service.pace))

        assert preferences(service) == ["wait=30", None, "wait=30"], cause


def test_a_limit_that_lasts_still_lets_the_status_through() -> None:
    service = ScriptedService(
        *[error(429, retry_after="1"), status("processing", 40)] * 3, error(429, retry_after="1")
    )

    with pytest.raises(WaitTimeoutError) as caught:
        service.carry_out(wait(PATH, 8, service.pace))

    assert caught.value.last_status is not None
    assert caught.value.last_status.progress_percent == 40
