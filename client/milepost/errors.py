"""What can go wrong, as types; each carries its facts as attributes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from milepost_schemas.http import ProcessingStatus


class MilepostError(Exception):
    """The base of every error that this distribution raises on purpose."""


class ProcessingError(MilepostError):
    """The file cannot be processed, for a reason that its owner can act on.

    Raised by a stage inside a step or file block, it becomes `processing.failed`.

    Args:
        code: What went wrong, for programs, at most 64 characters: `password_protected`.
        message: What went wrong and what to do, in one sentence for the file's owner.
        retryable: Whether another attempt may succeed without a change to the file.
        step: The step that failed, if it is not the one whose block the error leaves.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, step: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.step = step


class NotNowError(MilepostError):
    """Something that the step needs is away; the attempt goes on once it is back.

    Raised inside a step or file block, it leaves the block and publishes no failure.
    """


class PublishError(MilepostError):
    """An event or record was not published."""


class PublishTimeoutError(PublishError):
    """The brokers did not acknowledge the record in time; whether they have it is unknown.

    Publishing the same event again is harmless: its id is the same.
    """

    def __init__(self, topic: str, deadline_s: float, cause: str | None) -> None:
        because = f"; last error: {cause}" if cause else ""
        super().__init__(f"no acknowledgement from {topic} within {deadline_s:g} s{because}")
        self.topic = topic
        self.deadline_s = deadline_s


class RecordTooLargeError(PublishError):
    """The record is larger than the publisher may send; nothing was sent."""

    def __init__(self, topic: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a record of {size_bytes} bytes for {topic}, allowed {limit_bytes}")
        self.topic = topic
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class RecordRefusedError(PublishError):
    """The brokers refuse the record for good, for example for want of a permission."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"{topic} refused the record: {reason}")
        self.topic = topic
        self.reason = reason


class NotOpenError(PublishError):
    """The publisher or reporter is not open: not entered yet, or closed already."""


class EventsLostError(PublishError):
    """Events were still not acknowledged when the publisher or reporter had to close."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} event(s) not acknowledged at close")
        self.count = count


class BrokersNotReadyError(MilepostError):
    """The brokers did not become ready in time."""

    def __init__(self, bootstrap_servers: str, timeout_s: float, cause: str) -> None:
        super().__init__(f"{bootstrap_servers} not ready within {timeout_s:g} s: {cause}")
        self.bootstrap_servers = bootstrap_servers
        self.timeout_s = timeout_s


class TopicRefusedError(MilepostError):
    """The brokers refuse to create a topic."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"cannot create {topic}: {reason}")
        self.topic = topic
        self.reason = reason


class TopicMismatchError(MilepostError):
    """A topic exists with another number of partitions, which would move every key."""

    def __init__(self, topic: str, partitions: int, expected: int) -> None:
        super().__init__(
            f"{topic} has {partitions} partitions, expected {expected}; partitions are never"
            " changed in place, so delete the topic if it is empty or use another cluster"
        )
        self.topic = topic
        self.partitions = partitions
        self.expected = expected


class KafkaUnavailableError(MilepostError):
    """Kafka cannot answer right now; the same call may succeed later."""


class ConsumerError(MilepostError):
    """Kafka refuses a consumer for good, for example for want of a permission."""


class OffsetGoneError(ConsumerError):
    """The log holds nothing at an offset: retention has passed it, or the log ends before it."""


class ApiError(MilepostError):
    """The query service answered with an error; the attributes are its envelope's.

    Attributes:
        code: For programs.
        message: May be shown to a user.
        system_message: For developers.
        details: Facts that belong to the code.
        trace_id: To name in a support question; empty when the answer carried none.
        status: The HTTP status.
        retry_after_s: Seconds to wait before the next request, where the service says so.
    """

    def __init__(
        self,
        *,
        error: dict[str, Any],
        status: int,
        retry_after_s: float | None = None,
    ) -> None:
        self.code = str(error.get("code", "UNKNOWN"))
        self.message = str(error.get("message", ""))
        self.system_message = str(error.get("system_message", ""))
        self.details: dict[str, Any] = error.get("details") or {}
        self.trace_id = str(error.get("trace_id", ""))
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{status} {self.code}: {self.system_message or self.message}")


class AuthenticationError(ApiError):
    """401: no valid credential."""


class PermissionDeniedError(ApiError):
    """403: the credential does not reach that far."""


class NotFoundError(ApiError):
    """404: not there, and the service knows it."""


class RateLimitedError(ApiError):
    """429: too many requests."""


class InvalidRequestError(ApiError):
    """Any other 4xx: the request itself is wrong."""


class ServerError(ApiError):
    """Any 5xx but 503: the service failed."""


class GatewayError(ServerError):
    """502 or 504: a proxy in front of the service got no answer."""


class NotReadyError(ApiError):
    """503: the service cannot know yet."""


class UnreachableError(MilepostError):
    """No answer from the query service."""

    retry_after_s: float | None = None


class WaitTimeoutError(MilepostError):
    """The file was neither completed nor failed in time; the last status is attached.

    `last_status` is None when the service gave none; `__cause__` is then what it gave instead.
    """

    def __init__(self, timeout_s: float, last_status: "ProcessingStatus | None") -> None:
        where = "unknown" if last_status is None else last_status.status
        super().__init__(f"not processed within {timeout_s:g} s, last status: {where}")
        self.timeout_s = timeout_s
        self.last_status = last_status


class UnexpectedAnswerError(MilepostError):
    """The answer is not one that the query service gives, a proxy's page for example."""


class InvalidApiKeyError(MilepostError, ValueError):
    """The API key has characters that no key has; nothing was requested."""

    def __init__(self) -> None:
        super().__init__(
            "the API key is empty or has characters that no key has; is there a line break at its "
            "end?"
        )


class InvalidIdentifierError(MilepostError, ValueError):
    """An id that no organization, store or file can have; nothing was requested."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"{name} is not an identifier: {value!r}")
        self.name = name
        self.value = value
