"""What the commands that ask about files say when something is wrong, and end with."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer

from milepost.errors import (
    ApiError,
    AuthenticationError,
    InvalidApiKeyError,
    InvalidIdentifierError,
    InvalidRequestError,
    MilepostError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    UnreachableError,
    WaitTimeoutError,
)
from milepost.local_stack import NoTargetError
from milepost.named_files import NamedFile
from milepost.printable import one_line
from milepost.query_target import QueryTarget


class ExitCode(IntEnum):
    """How a command ends; where several apply, with the largest."""

    COMPLETED = 0
    """What was asked is answered, what was waited for is completed."""
    FAILED = 1
    """A file has failed."""
    USAGE = 2
    """The command or its configuration is wrong; no answer would be any other."""
    LATE = 3
    """The time is over."""
    NOT_FOUND = 4
    """A file is not there."""
    NO_ANSWER = 5
    """The service could not be asked."""


_MISSING: Final = "there is no such file in that store"
_CONFIGURATION: Final = (
    NoTargetError,
    InvalidApiKeyError,
    InvalidIdentifierError,
    AuthenticationError,
    PermissionDeniedError,
    InvalidRequestError,
)


def exit_code_of(error: MilepostError) -> ExitCode:
    """How a command ends that this stopped."""
    if isinstance(error, _CONFIGURATION):
        return ExitCode.USAGE
    if isinstance(error, WaitTimeoutError):
        return ExitCode.LATE
    if isinstance(error, NotFoundError):
        return ExitCode.NOT_FOUND
    return ExitCode.NO_ANSWER


def say(error: MilepostError, target: QueryTarget | None, about: str = "") -> None:
    """Print what happened and what to do; `about` is the file, if it is about one."""
    what = f"{about}: " if about else ""
    typer.echo(f"milepost: {what}{one_line(_explained(error, target))}", err=True)


def say_missing(file: NamedFile) -> None:
    """Print that a file is not there."""
    typer.echo(f"milepost: {file.key}: {_MISSING}", err=True)


@contextmanager
def explained(target: QueryTarget | None = None) -> Iterator[None]:
    """Let an error end the command with a line that says what to do, and with its exit code."""
    try:
        yield
    except MilepostError as error:
        say(error, target)
        raise typer.Exit(exit_code_of(error)) from error


def _explained(error: MilepostError, target: QueryTarget | None) -> str:
    """What happened and what to do about it."""
    match error:
        case WaitTimeoutError(__cause__=MilepostError() as cause):
            return f"{error}; {_explained(cause, target)}"
        case UnreachableError() if target:
            return f"no answer from {target.url} ({error}); is it running, and is the URL right?"
        case ApiError() if target:
            return _explained_answer(error, target)
    return str(error)


def _explained_answer(error: ApiError, target: QueryTarget) -> str:
    match error:
        case AuthenticationError():
            return f"{target.url} refuses the key ({error.code}); check MILEPOST_API_KEY"
        case PermissionDeniedError():
            return (
                f"the key may not read the files of {target.organization} ({error.code}); check "
                "MILEPOST_ORGANIZATION or --organization, and the key's scopes"
            )
        case NotFoundError(code="FILE_NOT_IN_STORE"):
            return _MISSING
        case NotReadyError():
            return f"{target.url} cannot answer yet ({error.code}); try again{_in(error)}"
        case RateLimitedError():
            return f"too many requests with this key; try again{_in(error)}"
    trace = f"; in a support question name the trace {error.trace_id}" if error.trace_id else ""
    return f"{target.url} answers {error}{trace}"


def _in(error: ApiError) -> str:
    return f" in {error.retry_after_s:g} s" if error.retry_after_s else ""
