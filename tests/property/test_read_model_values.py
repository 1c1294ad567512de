from hypothesis import given
from hypothesis import strategies as st

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import render_status
from milepost_schemas.events import Event, LogRecorded
from milepost_schemas.logs import (
    MAX_LINES,
    LogLine,
    append_line,
    decode_line,
    encode_line,
    log_line,
)
from milepost_schemas.meta import Building, Meta
from milepost_schemas.record import decode_record, encode_record, split_status
from tests.property.histories import IDENTITY, START_MS, Move, moves, play, texts

numbers = st.integers(0, 2**63)
marks = st.from_regex(r"[0-9]{1,9}:[0-9a-f]{16}", fullmatch=True) | st.just("-")
closers = st.just("") | st.uuids().map(lambda name: name.hex)
buildings = st.builds(Building, numbers, numbers, numbers, closers)


@given(moves())
def test_a_document_survives_its_record(history: list[Move]) -> None:
    for move in play(history):
        document = move.after
        value = encode_record(document)
        status = split_status(value)

        assert decode_record(value) == document
        assert encode_record(decode_record(value)) == value
        assert status.body == (b"" if document.is_deleted else render_status(document))
        assert (int(status.revision), int(status.attempt)) == (document.revision, document.attempt)


@given(st.builds(Checkpoint, numbers, numbers, numbers, numbers, marks, closers))
def test_a_checkpoint_survives_its_line(checkpoint: Checkpoint) -> None:
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@given(st.builds(Meta, numbers, numbers, numbers, numbers, st.none() | buildings, closers))
def test_the_metadata_survives_its_text(meta: Meta) -> None:
    assert Meta.decode(meta.encode()) == meta


@given(st.lists(st.tuples(st.integers(0, 260), st.sampled_from("ab")), max_size=400), texts)
def test_log_lines_are_bounded_and_each_is_there_once(
    published: list[tuple[int, str]], message: str
) -> None:
    lines: list[LogLine] = []
    for number, source in published:
        data = LogRecorded(
            organization_id="org_1", attempt=1, level="info", message=message, **IDENTITY
        )
        line = log_line(Event(str(number), source, None, data), START_MS)
        was_there = line in lines
        assert append_line(lines, line) is not was_there
        assert decode_line(encode_line(line)) == line

    assert len(lines) <= MAX_LINES
    assert len({line.identity for line in lines}) == len(lines)
    assert len(lines) == min(len(set(published)), MAX_LINES)
