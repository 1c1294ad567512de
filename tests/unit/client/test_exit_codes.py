import pytest
import typer
from pydantic import SecretStr

from milepost.errors import (
    ApiError,
    AuthenticationError,
    InvalidIdentifierError,
    MilepostError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
)
from milepost.exit_codes import explained
from milepost.query_target import QueryTarget

TARGET = QueryTarget(
    url="https://milepost.example", api_key=SecretStr("ak_secret"), organization="org_1"
)


def api(type_: type[ApiError], status: int, retry_after_s: float | None = None) -> ApiError:
    error = {"code": "SOME_CODE", "system_message": "a\x1b[2J\nb", "trace_id": "abc"}
    return type_(error=error, status=status, retry_after_s=retry_after_s)


def late() -> WaitTimeoutError:
    error = WaitTimeoutError(3, None)
    error.__cause__ = api(NotReadyError, 503)
    return error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (api(AuthenticationError, 401), 2, "refuses the key (SOME_CODE); check MILEPOST_API_KEY"),
        (api(PermissionDeniedError, 403), 2, "check MILEPOST_ORGANIZATION or --organization"),
        (InvalidIdentifierError("file_id", "a/b"), 2, "file_id is not an identifier: 'a/b'"),
        (WaitTimeoutError(3, None), 3, "not processed within 3 s, last status: unknown"),
        (late(), 3, "last status: unknown; https://milepost.example cannot answer yet (SOME_CODE)"),
        (
            api(NotFoundError, 404),
            4,
            "404 SOME_CODE: a�[2J b; in a support question name",
        ),
        (UnreachableError("ConnectError: refused"), 5, "no answer from https://milepost.example"),
        (api(NotReadyError, 503, 2), 5, "cannot answer yet (SOME_CODE); try again in 2 s"),
        (api(RateLimitedError, 429, 9), 5, "too many requests with this key; try again in 9 s"),
        (api(ServerError, 500), 5, "answers 500 SOME_CODE: a�[2J b; in a support question name"),
        (UnexpectedAnswerError("200 from x"), 5, "200 from x"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    error: MilepostError, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, explained(TARGET):
        raise error

    assert ended.value.exit_code == code
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.startswith("milepost: ")
    assert shown.count("\n") == 1
    assert "ak_secret" not in shown
