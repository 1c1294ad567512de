"""What an exception in a stage means for the file, in words for the file's owner."""

from milepost.errors import NotNowError, ProcessingError, PublishError

UNEXPECTED = "unexpected_error"

_MAX_CODE = 64
_MAX_MESSAGE = 2_000


def failure_of(error: BaseException | None) -> ProcessingError | None:
    """The failure of the file that the exception stands for; None if it stands for none.

    What ends the process, a cancellation, and errors of publishing say nothing about the file.
    An unexpected exception's text stays out of it: it was not written for the file's owner.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if not isinstance(error, Exception) or isinstance(error, NotNowError | PublishError):
        return None
    if isinstance(error, ProcessingError):
        return ProcessingError(
            error.code[:_MAX_CODE] or UNEXPECTED,
            error.message[:_MAX_MESSAGE],
            retryable=error.retryable,
            step=error.step,
        )
    return ProcessingError(
        UNEXPECTED,
        "Something unexpected went wrong while this file was processed; please try again,"
        " and ask for support if it happens again.",
        retryable=True,
    )
