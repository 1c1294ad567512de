import math

import httpx
import pytest

from milepost.errors import (
    AuthenticationError,
    NotFoundError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from milepost.watching import watch
from tests.unit.client.scripted_service import (
    PATH,
    Held,
    ScriptedService,
    Stream,
    error,
    event,
    refused,
    status,
)


def watched(service: ScriptedService, timeout_s: float = 600) -> list[str]:
    service.carry_out(watch(PATH, timeout_s, service.pace))
    return service.told


def last_ids(service: ScriptedService) -> list[str | None]:
    return [request.headers.get("Last-Event-ID") for request in service.opened]


def test_a_stream_tells_each_status_up_to_the_terminal_one() -> None:
    service = ScriptedService(
        Stream(
            event("pending", 0, "1.1"),
            b":\n\n",
            event("processing", 40, "1.2") + event("completed", 100, "1.3"),
        )
    )

    assert watched(service) == ["pending 0", "processing 40", "completed 100"]
    assert [request.path for request in service.opened] == [f"{PATH}/stream"]
    assert service.asked == []


def test_a_broken_stream_is_connected_again_where_it_was() -> None:
    service = ScriptedService(
        Stream(event("processing", 10, "1.2"), httpx.ReadError("reset")),
        Stream(event("processing", 20, "1.5")[:30]),
        Stream(event("processing", 30, "1.6")),
        Stream(event("failed", 30, "1.9")),
    )

    assert watched(service) == ["processing 10", "processing 30", "failed 30"]
    assert last_ids(service) == [None, "1.2", "1.2", "1.6"]
    assert len(service.pauses) == 3


def test_a_stream_that_breaks_before_it_says_anything_is_connected_again() -> None:
    service = ScriptedService(
        Stream(httpx.RemoteProtocolError("cut")), Stream(event("completed", 100, "1.3"))
    )

    assert watched(service) == ["completed 100"]
    assert service.asked == []


def test_a_stream_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    service = ScriptedService(
        Stream(event("processing", 10, "1.2"), b"retry: 4000\n\n"),
        Stream(event("completed", 100, "1.3")),
    )

    watched(service)

    assert service.pauses == [4]


def test_nothing_is_told_twice_and_nothing_goes_back() -> None:
    service = ScriptedService(
        Stream(event("processing", 10, "1.9"), httpx.ReadError("reset")),
        Stream(
            event("processing", 10, "1.9"),
            event("processing", 5, "1.8"),
            event("processing", 10, "1.9"),
            event("processing", 10, "1.10"),
            event("processing", 15, "1.11"),
            event("processing", 20, "2.1"),
            event("completed", 100, "2.2"),
        ),
    )

    assert watched(service) == ["processing 10", "processing 15", "processing 20", "completed 100"]


def test_events_of_other_names_are_ignored() -> None:
    other = b"event: status.v2\nid: 9.9\ndata: {}\n\n"
    service = ScriptedService(Stream(other, event("completed", 100, "1.3")))

    assert watched(service) == ["completed 100"]


@pytest.mark.parametrize(
    "missing",
    [
        error(404, code="RESOURCE_NOT_FOUND"),
        error(405, code="METHOD_NOT_ALLOWED"),
        httpx.Response(404, text="<html>"),
        httpx.Response(200, text="<html>"),
        Stream(b"<html>", media_type="text/html"),
        Stream(httpx.ReadTimeout("silent")),
        Stream(),
    ],
)
def test_where_there_is_no_stream_it_waits(missing: httpx.Response | Stream) -> None:
    service = ScriptedService(
        missing,
        Held(1, status("processing", 10, etag='"1.2"')),
        Held(30, httpx.Response(304)),
        Held(1, status("processing", 10, etag='"1.3"')),
        Held(1, status("completed", etag='"1.4"')),
    )

    assert watched(service) == ["processing 10", "completed 100"]
    assert len(service.opened) == 1
    assert [request.headers.get("If-None-Match") for request in service.asked] == [
        None,
        '"1.2"',
        '"1.2"',
        '"1.3"',
    ]


def test_a_file_that_is_not_there_is_an_error_at_once() -> None:
    service = ScriptedService(error(404, code="FILE_NOT_IN_STORE"))

    with pytest.raises(NotFoundError):
        watched(service)
    assert service.pauses == []


def test_a_key_that_has_expired_ends_it() -> None:
    service = ScriptedService(Stream(event("processing", 10, "1.2")), error(401))

    with pytest.raises(AuthenticationError):
        watched(service)


def test_a_stream_that_is_refused_for_a_time_is_replaced_by_a_question() -> None:
    service = ScriptedService(
        error(429, retry_after="3"),
        status("processing", 10, etag='"1.2"'),
        Stream(event("completed", 100, "1.3")),
    )

    assert watched(service) == ["processing 10", "completed 100"]
    assert service.pauses[0] == 3
    assert last_ids(service) == [None, "1.2"]


def test_a_service_that_is_away_for_a_time_is_outlasted() -> None:
    service = ScriptedService(
        Stream(event("processing", 10, "1.2"), httpx.RemoteProtocolError("cut")),
        *[refused() for _ in range(6)],
        status("processing", 20, etag='"1.4"'),
        Stream(event("completed", 100, "1.5")),
    )

    assert watched(service) == ["processing 10", "processing 20", "completed 100"]
    assert last_ids(service)[-1] == "1.4"


def test_the_end_that_was_told_on_a_broken_stream_is_asked_for() -> None:
    service = ScriptedService(
        Stream(event("processing", 10, "1.2")),
        httpx.Response(204),
        status("completed", etag='"1.3"'),
    )

    assert watched(service) == ["processing 10", "completed 100"]


def test_it_ends_in_time_although_a_stream_goes_on() -> None:
    heartbeats: list[bytes | float] = [15.0, b":\n\n"] * 100
    service = ScriptedService(
        Stream(event("processing", 10, "1.2"), *heartbeats), Held(0, httpx.Response(304))
    )

    with pytest.raises(WaitTimeoutError) as caught:
        watched(service, timeout_s=100)

    assert service.now == pytest.approx(100)
    assert caught.value.last_status is not None
    assert len(service.opened) == 1
    (opened,) = service.opened
    assert opened.timeout.read == 30


def test_it_may_go_on_for_ever() -> None:
    service = ScriptedService(
        Stream(event("processing", 1, "1.2")),
        Stream(1e9, b":\n\n"),
        Stream(event("failed", 1, "1.3")),
    )

    assert watched(service, timeout_s=math.inf) == ["processing 1", "failed 1"]


def test_a_stream_of_something_else_is_an_error() -> None:
    service = ScriptedService(Stream(b"event: status\ndata: {}\n\n"))

    with pytest.raises(UnexpectedAnswerError):
        watched(service)
