import pytest

from milepost_schemas.events import Event, FileDeleted, LogRecorded
from milepost_schemas.logs import (
    MAX_LINES,
    LogLine,
    append_line,
    decode_line,
    encode_line,
    log_line,
)
from milepost_schemas.times import parse_time_ms
from tests.unit.schemas.file_log import START_MS, fact


def line(number: int, source: str = "stage") -> LogLine:
    data = fact(LogRecorded, level="warning", message=f"Line {number}.")
    return log_line(Event(str(number), source, None, data), START_MS)


def test_a_line_says_when_how_bad_and_what() -> None:
    written = line(1)

    assert (written.timestamp, written.level, written.message) == (
        "2025-06-15T10:00:00Z",
        "warning",
        "Line 1.",
    )


def test_a_line_is_never_later_than_the_broker_says() -> None:
    future = parse_time_ms("2030-01-01T00:00:00Z")
    event = Event("1", "stage", future, fact(LogRecorded, level="info", message="x"))

    assert log_line(event, START_MS).timestamp == "2025-06-15T10:00:00Z"


def test_a_repeated_line_is_kept_once() -> None:
    lines: list[LogLine] = []

    assert append_line(lines, line(1))
    assert not append_line(lines, line(1))
    assert len(lines) == 1


def test_the_same_id_from_another_source_is_another_line() -> None:
    lines = [line(1)]

    assert append_line(lines, line(1, source="another stage"))


def test_the_newest_lines_are_kept() -> None:
    lines: list[LogLine] = []
    for number in range(MAX_LINES + 5):
        append_line(lines, line(number))

    assert len(lines) == MAX_LINES
    assert (lines[0], lines[-1]) == (line(5), line(MAX_LINES + 4))


def test_a_line_survives_storage() -> None:
    assert decode_line(encode_line(line(1))) == line(1)


def test_only_log_events_have_lines() -> None:
    with pytest.raises(TypeError, match=r"milepost\.file\.deleted\.v1 carries no log line"):
        log_line(Event("1", "stage", None, fact(FileDeleted)), START_MS)
