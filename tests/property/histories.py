"""Histories of one file: every event that the codec lets pass, in any order, by any clock."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from milepost_schemas.codec import decode, encode
from milepost_schemas.document import Document
from milepost_schemas.events import (
    MAX_UNITS,
    NO_SIGN_OF_LIFE,
    Event,
    EventData,
    FileDeleted,
    FileRegistered,
    LogRecorded,
    PlannedStep,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingRequested,
    ProcessingStalled,
    StepCompleted,
    StepProgressed,
    StepStarted,
)
from milepost_schemas.fold import Outcome, fold
from milepost_schemas.record import decode_record, encode_record
from milepost_schemas.times import parse_time_ms

START_MS = parse_time_ms("2025-06-15T10:00:00Z")
T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDENTITY = {"store_id": "vs_1", "file_id": "file_1"}
STORED: frozenset[Outcome] = frozenset({"applied", "sign_of_life", "log_line"})
"""Outcomes after which a projection stores the document."""


class Verdict(NamedTuple):
    """Stands for an event that judges the last sign of life, which only the fold knows."""

    kind: Literal["stalled", "failed"]
    attempt: int


class Move(NamedTuple):
    """What happens next to the file."""

    data: EventData | Verdict
    ahead_ms: int | None = 0
    """How far the publisher's clock is ahead of the broker's; None for an event without time."""
    wait_ms: int = 1000
    """How long after the move before it the event is appended."""


class Transition(NamedTuple):
    """One event and what it did; the documents are copies."""

    before: Document
    event: Event
    offset: int
    appended_ms: int
    outcome: Outcome
    after: Document


Kinds = Mapping[type[Any], dict[str, SearchStrategy[Any]]]
"""Classes of event data, and how to draw the fields that are theirs alone."""

names = st.sampled_from(["extracting", "chunking", "embedding"])
texts = st.text(max_size=8)
units = st.one_of(
    st.integers(0, 12),
    st.floats(0, 12),
    st.sampled_from([0.1, 0.2, 0.3, 0.7, 1 / 3, 5e-324, MAX_UNITS, float(MAX_UNITS)]),
)
percents = st.one_of(st.integers(0, 130), st.floats(0, 1e6))
plans = st.lists(
    st.builds(PlannedStep, step=names, weight=st.integers(1, 40)), min_size=1, max_size=4
).map(tuple)
instants = st.datetimes(timezones=st.just(UTC))


def maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | strategy


work: Kinds = {
    StepStarted: {
        "step": names,
        "plan": maybe(plans),
        "total_units": maybe(units),
        "max_silence_s": maybe(st.floats(0.5, 86_400)),
    },
    StepProgressed: {
        "step": names,
        "done_units": maybe(units),
        "total_units": maybe(units),
        "progress_percent": maybe(percents),
        "message": maybe(texts),
    },
    StepCompleted: {
        "step": names,
        "output": maybe(st.dictionaries(names, texts | units | st.booleans() | st.none())),
    },
}
ends: Kinds = {
    ProcessingCompleted: {"chunk_count": maybe(st.integers(0, 9))},
    ProcessingFailed: {
        "code": st.sampled_from(["broken", "unreadable"]),
        "message": texts,
        "retryable": st.booleans(),
        "step": maybe(names),
        "silent_since": maybe(instants),
    },
}
others: Kinds = {
    FileRegistered: {
        "name": texts,
        "size_bytes": st.integers(0, MAX_UNITS),
        "mime_type": texts,
        "relative_path": maybe(texts),
        "content_uri": maybe(texts),
    },
    ProcessingRequested: {"reason": texts, "requested_by": maybe(texts)},
    ProcessingStalled: {"silent_since": instants, "step": maybe(names)},
    LogRecorded: {
        "level": st.sampled_from(["debug", "info", "warning", "error"]),
        "message": texts,
    },
}
deletion: Kinds = {FileDeleted: {"requested_by": maybe(texts)}}
every_kind: Kinds = {**work, **ends, **others, **deletion}


@st.composite
def facts(
    draw: DrawFn,
    kinds: Kinds,
    attempts: SearchStrategy[int],
    organizations: SearchStrategy[str],
) -> EventData:
    """Data of one of the kinds, within the bounds of the contract."""
    kind = draw(st.sampled_from(list(kinds)))
    fields = {name: draw(strategy) for name, strategy in kinds[kind].items()}
    identity = IDENTITY | {"organization_id": draw(organizations)}
    data: EventData = kind(**identity, attempt=draw(attempts), **fields)
    return data


def long(elements: SearchStrategy[T], most: int) -> SearchStrategy[list[T]]:
    """Lists of every length alike; `st.lists` alone prefers short ones."""
    lengths = st.integers(0, most)
    return lengths.flatmap(lambda length: st.lists(elements, min_size=length, max_size=length))


def moves() -> SearchStrategy[list[Move]]:
    """Any history at all: clocks are wrong, a stranger interferes, verdicts come true or late."""
    attempts = st.sampled_from([1] * 12 + [2, 2, 3])
    organizations = st.sampled_from(["org_1"] * 30 + ["org_2"])
    kinds = [work] * 12 + [others] * 4
    # A deletion or an end ends what the rest of a history could show, so they are rare.
    rare = st.integers(0, 20).flatmap(
        lambda number: facts(deletion if number == 20 else ends, attempts, organizations)
    )
    data = st.one_of(
        *(facts(some, attempts, organizations) for some in kinds),
        rare,
        st.builds(Verdict, st.sampled_from(["stalled", "stalled", "failed"]), attempts),
    )
    ahead_ms = st.sampled_from([0, 0, 0, None, -90_000, -1, 1, 5_000, 10**14, -(5 * 10**13)])
    wait_ms = st.sampled_from([0, 1, 999, 1000, 60_000])
    return long(st.tuples(data, ahead_ms, wait_ms).map(Move._make), 30)


def event_of(move: Move, number: int, document: Document, appended_ms: int) -> Event:
    """The event of a move as a reader of its record gets it."""
    data = move.data
    if isinstance(data, Verdict):
        data = verdict(data, document)
    time_ms = None if move.ahead_ms is None else appended_ms + move.ahead_ms
    return decode(*encode(Event(str(number), "test", time_ms, data)))


def verdict(judged: Verdict, document: Document) -> EventData:
    silent_since = EPOCH + timedelta(milliseconds=document.signed_at_ms)
    identity = IDENTITY | {"organization_id": document.organization_id}
    if judged.kind == "stalled":
        return ProcessingStalled(**identity, attempt=judged.attempt, silent_since=silent_since)
    return ProcessingFailed(
        **identity,
        attempt=judged.attempt,
        silent_since=silent_since,
        code=NO_SIGN_OF_LIFE,
        message="Nothing was heard of it.",
        retryable=True,
    )


def play(history: Iterable[Move]) -> Iterator[Transition]:
    """Fold a history in place and show each step of it."""
    document = Document("org_1", "vs_1", "file_1")
    appended_ms = START_MS
    for offset, move in enumerate(history):
        appended_ms += move.wait_ms
        event = event_of(move, offset, document, appended_ms)
        before = copy_of(document)
        outcome = fold(document, event, offset, appended_ms)
        yield Transition(before, event, offset, appended_ms, outcome, copy_of(document))


def copy_of(document: Document) -> Document:
    return decode_record(encode_record(document))
