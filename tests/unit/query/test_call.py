import re
from typing import Any

import pytest

from milepost_query.edge.call import Calls, current_call


def request(traceparent: bytes | None = None) -> dict[str, Any]:
    return {"headers": [] if traceparent is None else [(b"traceparent", traceparent)]}


@pytest.mark.parametrize(
    "traceparent",
    [
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    ],
)
def test_a_valid_traceparent_names_the_trace(traceparent: bytes) -> None:
    assert Calls().begin(request(traceparent)).trace_id == b"0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        b"",
        b"abc",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
    ],
)
def test_anything_else_gets_a_new_trace(traceparent: bytes | None) -> None:
    trace_id = Calls().begin(request(traceparent)).trace_id

    assert re.fullmatch(b"[0-9a-f]{32}", trace_id)
    assert trace_id not in (traceparent or b"")


def test_the_answer_goes_on_with_the_trace_in_a_span_of_its_own() -> None:
    calls = Calls()
    sent = b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    one, other = (calls.begin(request(sent)).traceparent or b"" for _ in range(2))

    form = b"00-0af7651916cd43dd8448eb211c80319c-(?!0{16})[0-9a-f]{16}-01"
    assert re.fullmatch(form, one)
    assert re.fullmatch(form, other)
    assert one != other


def test_no_two_requests_without_a_trace_share_one() -> None:
    calls = Calls()

    assert len({calls.begin(request()).trace_id for _ in range(100)}) == 100


def test_the_current_call_is_the_one_that_began_last() -> None:
    call = Calls().begin(request())

    assert current_call() is call


def test_an_answer_tells_of_a_trace_only_where_somebody_asked_for_it() -> None:
    call = Calls().begin(request())

    assert call.traceparent is None
    trace_id = call.trace_id
    assert (call.traceparent or b"").split(b"-")[1] == trace_id
    assert call.trace_id == trace_id
