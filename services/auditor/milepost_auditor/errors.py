"""Why an audit could not come to a finding."""

from milepost.errors import MilepostError


class AuditError(MilepostError):
    """The base of every reason for which nothing can be said."""


class ReadModelUnavailableError(AuditError):
    """Redis does not answer, or has no read model."""


class NotComparableError(AuditError):
    """Log and read model do not belong together, or not at this time."""


class NotCaughtUpError(AuditError):
    """Read model or status topic did not reach the end of the log in the time allowed."""
