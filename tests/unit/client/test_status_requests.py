import json
from collections.abc import Callable

import httpx
import pytest

from milepost.errors import (
    AuthenticationError,
    InvalidIdentifierError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
)
from milepost.status_requests import Conversation, Get, Pace, Pause, ask, status_path, wait
from milepost_schemas.http import ProcessingStatus

PATH = "/v1/organizations/org_1/stores/vs_1/files/file_1/status"


class Service:
    """Answers a conversation from a list, and lets its clock run by what it is told to wait."""

    def __init__(self, *answers: httpx.Response | httpx.RequestError) -> None:
        self.now = 0.0
        self.asked: list[Get] = []
        self.pauses: list[float] = []
        self._answers = list(answers)

    @property
    def pace(self) -> Pace:
        return Pace(jitter=lambda: 0.5, clock=lambda: self.now)

    def carry_out(self, conversation: Conversation[ProcessingStatus]) -> ProcessingStatus:
        answer: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                status: ProcessingStatus = end.value
                return status
            if isinstance(step, Pause):
                self.pauses.append(step.seconds)
                self.now += step.seconds
                answer = None
            else:
                self.asked.append(step)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def status(name: str, *, etag: str | None = None) -> httpx.Response:
    body = {
        "status": name,
        "progress_percent": 100 if name == "completed" else 0,
        "current_step": None,
        "error_message": None,
        "started_at": None,
        "completed_at": None,
        "added_later": 1,
    }
    headers = {} if etag is None else {"ETag": etag}
    return httpx.Response(200, json=body, headers=headers, request=httpx.Request("GET", PATH))


def error(code: int, *, retry_after: str | None = None) -> httpx.Response:
    envelope = {
        "success": False,
        "error": {
            "code": "SOME_CODE",
            "message": "For a user.",
            "system_message": "For a developer",
            "type": "client_error",
            "status": code,
            "details": {"file_id": "file_1"},
            "trace_id": "abc",
            "timestamp": "2025-06-15T10:00:00Z",
        },
    }
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(code, json=envelope, headers=headers)


def refused() -> httpx.RequestError:
    return httpx.ConnectError("refused")


def test_a_status_is_typed_and_unknown_keys_are_ignored() -> None:
    service = Service(status("completed"))

    answer = service.carry_out(ask(PATH, service.pace))

    assert (answer.status, answer.progress_percent) == ("completed", 100)
    assert [get.path for get in service.asked] == [PATH]


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (422, InvalidRequestError),
        (500, ServerError),
    ],
)
def test_an_error_has_its_type_and_all_of_its_envelope(code: int, type_: type) -> None:
    service = Service(error(code))

    with pytest.raises(type_) as caught:
        service.carry_out(ask(PATH, service.pace))

    assert vars(caught.value) == {
        "code": "SOME_CODE",
        "message": "For a user.",
        "system_message": "For a developer",
        "details": {"file_id": "file_1"},
        "trace_id": "abc",
        "status": code,
        "retry_after_s": None,
    }
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("transient", "type_"),
    [
        (lambda: error(503), NotReadyError),
        (lambda: error(429), RateLimitedError),
        (refused, UnreachableError),
    ],
)
def test_what_a_pause_may_cure_is_asked_again_but_not_for_ever(
    transient: Callable[[], httpx.Response | httpx.RequestError], type_: type
) -> None:
    cured = Service(transient(), transient(), status("pending"))
    assert cured.carry_out(ask(PATH, cured.pace)).status == "pending"

    lasting = Service(transient())
    with pytest.raises(type_):
        lasting.carry_out(ask(PATH, lasting.pace))
    assert len(lasting.asked) == 3
    assert lasting.pauses == pytest.approx([0.2, 0.3])


def test_the_service_says_how_long_the_pause_is() -> None:
    service = Service(error(503, retry_after="7"), status("pending"))

    service.carry_out(ask(PATH, service.pace))

    assert service.pauses == [7]


def test_a_service_that_wants_a_very_long_pause_is_not_waited_for() -> None:
    service = Service(error(429, retry_after="3600"))

    with pytest.raises(RateLimitedError) as caught:
        service.carry_out(ask(PATH, service.pace))

    assert caught.value.retry_after_s == 3_600
    assert service.pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"status": "done"}),
        httpx.Response(302, headers={"Location": "/login"}),
    ],
)
def test_an_answer_of_somebody_else_is_no_status(answer: httpx.Response) -> None:
    answer.request = httpx.Request("GET", f"http://milepost.test{PATH}")
    service = Service(answer)

    with pytest.raises(UnexpectedAnswerError, match=str(answer.status_code)):
        service.carry_out(ask(PATH, service.pace))


@pytest.mark.parametrize("body", ["<html>", "[]", '{"error": "gone"}', json.dumps({"a": 1})])
def test_an_error_without_an_envelope_still_has_its_type(body: str) -> None:
    service = Service(httpx.Response(404, text=body))

    with pytest.raises(NotFoundError, match="without an error envelope"):
        service.carry_out(ask(PATH, service.pace))


def test_waiting_ends_with_the_first_terminal_status() -> None:
    service = Service(status("pending"), status("processing"), status("failed"))

    answer = service.carry_out(wait(PATH, 60, service.pace))

    assert answer.status == "failed"
    assert len(service.asked) == 3


def test_waiting_asks_for_news_only() -> None:
    not_modified = httpx.Response(304)
    service = Service(
        status("processing", etag='"1.4"'), not_modified, status("completed", etag='"1.5"')
    )

    service.carry_out(wait(PATH, 60, service.pace))

    assert [get.headers for get in service.asked] == [
        {},
        {"If-None-Match": '"1.4"'},
        {"If-None-Match": '"1.4"'},
    ]


def test_pauses_grow_while_nothing_happens_and_stay_bounded() -> None:
    service = Service(status("processing", etag='"1.4"'), httpx.Response(304))

    with pytest.raises(WaitTimeoutError):
        service.carry_out(wait(PATH, 120, service.pace))

    growing = service.pauses[1:-1]
    assert growing == sorted(growing)
    assert growing[-1] == 5
    assert sum(service.pauses) == pytest.approx(120)


def test_pauses_are_short_again_after_news() -> None:
    service = Service(
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
    service = Service(status("processing"))

    with pytest.raises(WaitTimeoutError, match="within 3 s") as caught:
        service.carry_out(wait(PATH, 3, service.pace))

    assert caught.value.last_status is not None
    assert caught.value.last_status.status == "processing"
    assert service.now == pytest.approx(3)


def test_no_request_outlasts_the_wait() -> None:
    service = Service(status("processing"))

    with pytest.raises(WaitTimeoutError):
        service.carry_out(wait(PATH, 0.5, service.pace))

    assert all(get.timeout_s <= 0.5 for get in service.asked)


def test_waiting_outlasts_a_service_that_is_away() -> None:
    service = Service(
        refused(), *[error(503, retry_after="1") for _ in range(5)], status("completed")
    )

    assert service.carry_out(wait(PATH, 60, service.pace)).status == "completed"
    assert min(service.pauses[1:]) >= 1


def test_waiting_for_a_service_that_never_comes_names_the_cause() -> None:
    service = Service(refused())

    with pytest.raises(WaitTimeoutError, match="unknown") as caught:
        service.carry_out(wait(PATH, 3, service.pace))

    assert caught.value.last_status is None
    assert isinstance(caught.value.__cause__, UnreachableError)


def test_waiting_for_a_file_that_is_not_there_ends_at_once() -> None:
    service = Service(error(404))

    with pytest.raises(NotFoundError):
        service.carry_out(wait(PATH, 60, service.pace))
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "ids",
    [
        ("../x", "vs_1", "file_1"),
        ("org_1", "vs 1", "file_1"),
        ("org_1", "vs_1", ""),
        ("org_1", "vs_1", "a/b"),
        ("org_1", "vs_1", "upload"),
        ("org_1", "vs_1", "file_1?x=1"),
    ],
)
def test_ids_that_would_change_the_path_are_never_sent(ids: tuple[str, str, str]) -> None:
    organization_id, store_id, file_id = ids
    with pytest.raises(InvalidIdentifierError):
        status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)


def test_the_path_is_the_documented_one() -> None:
    assert status_path(organization_id="org_1", store_id="vs_1", file_id="file_1") == PATH
