import pytest

from milepost.errors import UnexpectedAnswerError
from milepost.event_stream import MAX_EVENT_BYTES, EventStream, ServerSentEvent


def read(*chunks: bytes) -> list[ServerSentEvent]:
    stream = EventStream()
    return [event for chunk in chunks for event in stream.feed(chunk)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_with_an_empty_line_of_any_kind(line_end: bytes) -> None:
    lines = [b"event: status", b"id: 1.7", b'data: {"a":', b"data: 1}", b"", b": a comment"]

    assert read(line_end.join(lines)) == [ServerSentEvent("status", '{"a":\n1}', "1.7")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_may_come_in_pieces_of_any_size(line_end: bytes) -> None:
    text = "event: status\nid: 1\ndata: é\n\n:\n\nid: 2\ndata: b\n\n:".encode()
    whole = text.replace(b"\n", line_end)
    pieces = [whole[index : index + 1] for index in range(len(whole))]

    assert read(*pieces) == [
        ServerSentEvent("status", "é", "1"),
        ServerSentEvent("message", "b", "2"),
    ]


def test_what_is_not_complete_is_no_event() -> None:
    assert read(b"data: a\n") == []


def test_an_event_without_data_is_none_and_leaves_nothing_to_the_next() -> None:
    assert read(b"event: ping\nid: 3\n\ndata: a\n\n") == [ServerSentEvent("message", "a", "3")]


def test_the_id_stays_until_there_is_another() -> None:
    ids = [event.id for event in read(b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")]

    assert ids == ["1", "1", ""]


def test_an_id_with_a_null_character_is_ignored() -> None:
    assert read(b"id: 1\nid: 2\0\ndata: a\n\n") == [ServerSentEvent("message", "a", "1")]


def test_one_space_behind_the_colon_belongs_to_nobody() -> None:
    assert [event.data for event in read(b"data:  a\n\ndata:b\n\ndata\n\n")] == [" a", "b", ""]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbfdata: a\n\n") == [ServerSentEvent("message", "a", "")]


def test_fields_that_are_not_known_are_ignored() -> None:
    assert read(b"colour: red\ndatax: 1\ndata: a\n\n") == [ServerSentEvent("message", "a", "")]


def test_bytes_that_are_no_text_break_nothing() -> None:
    assert read(b"data: \xff\n\n") == [ServerSentEvent("message", "�", "")]


@pytest.mark.parametrize(("line", "seconds"), [(b"retry: 1500", 1.5), (b"retry: soon", None)])
def test_the_stream_may_say_when_to_come_back(line: bytes, seconds: float | None) -> None:
    stream = EventStream()
    stream.feed(line + b"\n\n")

    assert stream.retry_s == seconds


@pytest.mark.parametrize("line", [b"x" * 1_000, b"data: " + b"x" * 1_000 + b"\n"])
def test_an_event_without_an_end_is_given_up(line: bytes) -> None:
    stream = EventStream()
    endless = [line] * (MAX_EVENT_BYTES // 1_000 + 2)

    with pytest.raises(UnexpectedAnswerError):
        list(map(stream.feed, endless))
