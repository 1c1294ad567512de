"""The events: immutable facts about a file, as they stand in the log."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from milepost_schemas.identity import IDENTIFIER_PATTERN, RESERVED_FILE_IDS

MAX_ATTEMPTS = 1_000
MAX_STEPS = 64
MAX_UNITS = 2**53 - 1
"""Largest number of units: the largest whole number that every JSON reader keeps exact."""

NO_SIGN_OF_LIFE = "no_sign_of_life"
"""The `code` of a failure that is a verdict about silence, not a stage's own report."""

# Identifiers are checked by the codec; their patterns are for the generated schemas.
_PATTERN = {"pattern": f"^{IDENTIFIER_PATTERN}$"}
_NO_ROUTE = {"not": {"enum": sorted(RESERVED_FILE_IDS)}}

Identifier = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=_PATTERN)]
FileId = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=_PATTERN | _NO_ROUTE)]
Attempt = Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)]
StepName = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=2_000)]
Bytes = Annotated[int, Meta(ge=0, le=MAX_UNITS)]
Units = Annotated[int, Meta(ge=0, le=MAX_UNITS)] | Annotated[float, Meta(ge=0, le=float(MAX_UNITS))]
Percent = Annotated[float, Meta(ge=0, le=1e6)]
Instant = Annotated[datetime, Meta(tz=True)]
LogLevel = Literal["debug", "info", "warning", "error"]
Scalar = Text | int | float | bool | None


class FileEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the data of every event names: the file and the attempt."""

    organization_id: Identifier
    """The organization that owns the store."""
    store_id: Identifier
    """The store that the file belongs to."""
    file_id: FileId
    """The file, unique within its store."""
    attempt: Attempt
    """Which processing of the file the event belongs to, counted from 1."""


class FileRegistered(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The file exists in the store, and its first attempt is asked for."""

    name: Name
    """The file's name as its owner knows it."""
    size_bytes: Bytes
    """Size of the content."""
    mime_type: Name
    """Media type of the content."""
    relative_path: Text | None = None
    """Path of the file below the folder it was uploaded from."""
    content_uri: Text | None = None
    """Where a stage can read the content."""


class ProcessingRequested(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A further attempt is to be made."""

    reason: Text
    """Why, for example `retry`."""
    requested_by: Text | None = None
    """Who asked for it."""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step of a plan."""

    step: StepName
    """Name of the step."""
    weight: Annotated[int, Meta(ge=1, le=1_000_000)]
    """Share of the whole, relative to the other weights."""


Plan = Annotated[tuple[PlannedStep, ...], Meta(min_length=1, max_length=MAX_STEPS)]


class StepStarted(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A stage took the file up."""

    step: StepName
    """Name of the step."""
    plan: Plan | None = None
    """All steps of the attempt; the first plan of an attempt is kept."""
    total_units: Units | None = None
    """How many units the step will do."""
    max_silence_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    """Longest time in seconds that the step may give no sign of life."""


class StepProgressed(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Progress within a step, or only a sign of life."""

    step: StepName
    """Name of the step."""
    done_units: Units | None = None
    """Units done so far; more than the total counts as the total."""
    total_units: Units | None = None
    """Units of the step in all."""
    progress_percent: Percent | None = None
    """Progress of the whole file, where the publisher knows it; above 100 counts as 100."""
    message: Text | None = None
    """What the step is doing, for the history."""


class StepCompleted(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The durable output of a step exists."""

    step: StepName
    """Name of the step."""
    output: dict[StepName, Scalar] | None = None
    """Small facts about the output, such as counts and URIs."""


class ProcessingCompleted(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The last durable write of the attempt is done."""

    chunk_count: Bytes | None = None
    """How many chunks the file was indexed as."""


class ProcessingFailed(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The attempt ended without a result."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    """What went wrong, for programs."""
    message: Text
    """What went wrong and what to do, in one sentence for the file's owner."""
    retryable: bool
    """Whether another attempt may succeed without a change to the file."""
    step: StepName | None = None
    """The step that failed."""
    silent_since: Instant | None = None
    """The last sign of life that a verdict about silence judged."""

    def __post_init__(self) -> None:
        if self.code == NO_SIGN_OF_LIFE and self.silent_since is None:
            raise ValueError(f"code {NO_SIGN_OF_LIFE} needs silent_since")


class ProcessingStalled(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """No sign of life for longer than allowed; the attempt may still go on."""

    silent_since: Instant
    """The last sign of life that the verdict judged."""
    step: StepName | None = None
    """The step that fell silent."""


class LogRecorded(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A line of the file's processing log."""

    level: LogLevel
    """Severity of the line."""
    message: Text
    """The line, without a line break at its end."""


class FileDeleted(FileEvent, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The file left the store, for good."""

    requested_by: Text | None = None
    """Who deleted it."""


EventData = (
    FileRegistered
    | ProcessingRequested
    | StepStarted
    | StepProgressed
    | StepCompleted
    | ProcessingCompleted
    | ProcessingFailed
    | ProcessingStalled
    | LogRecorded
    | FileDeleted
)

TYPE_PREFIX = "milepost."

TYPES: dict[str, type[EventData]] = {
    "milepost.file.registered.v1": FileRegistered,
    "milepost.processing.requested.v1": ProcessingRequested,
    "milepost.step.started.v1": StepStarted,
    "milepost.step.progressed.v1": StepProgressed,
    "milepost.step.completed.v1": StepCompleted,
    "milepost.processing.completed.v1": ProcessingCompleted,
    "milepost.processing.failed.v1": ProcessingFailed,
    "milepost.processing.stalled.v1": ProcessingStalled,
    "milepost.log.recorded.v1": LogRecorded,
    "milepost.file.deleted.v1": FileDeleted,
}
"""The data of each CloudEvents type."""

TYPE_OF: dict[type[EventData], str] = {data: name for name, data in TYPES.items()}


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: the CloudEvents attributes that Milepost uses, and the data."""

    id: str
    """CloudEvents `id`: with `source`, the identity of the event."""
    source: str
    """CloudEvents `source`: who published it."""
    time_ms: int | None
    """CloudEvents `time` in milliseconds since 1970, by the publisher's clock."""
    data: EventData
    """The fact."""
    traceparent: str | None = None
    """W3C trace context of the publisher."""
    tracestate: str | None = None
    """W3C trace state of the publisher."""

    @property
    def type(self) -> str:
        return TYPE_OF[type(self.data)]
