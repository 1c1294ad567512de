import pytest

from milepost_query.problems import (
    FILE_NOT_IN_STORE,
    INTERNAL_ERROR,
    RATE_LIMIT_EXCEEDED,
    READ_MODEL_NOT_READY,
    Problem,
    ProblemError,
    envelope,
    problem_response,
)
from milepost_schemas.times import parse_time_ms


def test_the_envelope_is_the_documented_one_byte_by_byte() -> None:
    body = envelope(
        FILE_NOT_IN_STORE,
        {"file_id": "file_abc123def456", "store_id": "vs_abc123"},
        trace_id="abc-123-def",
        now=parse_time_ms("2025-06-15T10:00:00.987Z") / 1000,
    )

    assert body == (
        b'{"success":false,"error":{"code":"FILE_NOT_IN_STORE",'
        b'"message":"We couldn\'t find the requested resource.",'
        b'"system_message":"File not found in this store","type":"client_error","status":404,'
        b'"details":{"file_id":"file_abc123def456","store_id":"vs_abc123"},'
        b'"trace_id":"abc-123-def","timestamp":"2025-06-15T10:00:00Z"}}'
    )


@pytest.mark.parametrize("problem", [INTERNAL_ERROR, READ_MODEL_NOT_READY])
def test_what_the_caller_cannot_change_is_a_server_error(problem: Problem) -> None:
    response = problem_response(ProblemError(problem), trace_id=b"t")

    assert b'"type":"server_error"' in bytes(response.body)
    assert ("retry-after" in response.headers) == (problem is READ_MODEL_NOT_READY)


def test_who_asks_too_much_is_told_when_to_come_back() -> None:
    error = ProblemError(RATE_LIMIT_EXCEEDED, {"retry_after": 7})

    response = problem_response(error, trace_id=b"t")

    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
