import json
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from milepost.answers import parse
from milepost.conversations import Conversation, Request, ask
from milepost.errors import (
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
)
from milepost_schemas.http import ProcessingStatus
from tests.unit.client.scripted_service import PATH, ScriptedService, error, refused, status


def asked(service: ScriptedService) -> Conversation[ProcessingStatus]:
    return ask(Request(PATH, 10), partial(parse, ProcessingStatus), service.pace)


def test_a_status_is_typed_and_unknown_keys_are_ignored() -> None:
    service = ScriptedService(status("completed"))

    answer = service.carry_out(asked(service))

    assert (answer.status, answer.progress_percent) == ("completed", 100)
    assert [request.path for request in service.asked] == [PATH]


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
    service = ScriptedService(error(code))

    with pytest.raises(type_) as caught:
        service.carry_out(asked(service))

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
        (lambda: error(502), GatewayError),
        (lambda: error(504), GatewayError),
        (refused, UnreachableError),
    ],
)
def test_what_a_pause_may_cure_is_asked_again_but_not_for_ever(
    transient: Callable[[], httpx.Response | httpx.RequestError], type_: type
) -> None:
    cured = ScriptedService(transient(), transient(), status("pending"))
    assert cured.carry_out(asked(cured)).status == "pending"

    lasting = ScriptedService(transient())
    with pytest.raises(type_):
        lasting.carry_out(asked(lasting))
    assert len(lasting.asked) == 3
    assert lasting.pauses == pytest.approx([0.2, 0.3])


def test_the_service_says_how_long_the_pause_is() -> None:
    service = ScriptedService(error(503, retry_after="7"), status("pending"))

    service.carry_out(asked(service))

    assert service.pauses == [7]


def test_a_service_that_wants_a_very_long_pause_is_not_waited_for() -> None:
    service = ScriptedService(error(429, retry_after="3600"))

    with pytest.raises(RateLimitedError) as caught:
        service.carry_out(asked(service))

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
    service = ScriptedService(answer)

    with pytest.raises(UnexpectedAnswerError, match=str(answer.status_code)):
        service.carry_out(asked(service))


@pytest.mark.parametrize("body", ["<html>", "[]", '{"error": "gone"}', json.dumps({"a": 1})])
def test_an_error_without_an_envelope_still_has_its_type(body: str) -> None:
    service = ScriptedService(httpx.Response(404, text=body))

    with pytest.raises(NotFoundError, match="without an error envelope"):
        service.carry_out(asked(service))
