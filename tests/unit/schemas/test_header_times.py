import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost_schemas.times import format_ms, parse_header_ms, parse_time_ms


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_a_header_is_read_as_the_same_text_is(milliseconds: int) -> None:
    text = format_ms(milliseconds)
    assert parse_header_ms(text.encode()) == parse_time_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-15T10:00:05Z",
        "2025-06-15T10:00:05.5+02:00",
        "2025-06-15 10:00:05.123Z",
        "20250615T100005.123456Z",
    ],
)
def test_other_forms_of_a_time_are_read_as_well(text: str) -> None:
    assert parse_header_ms(text.encode()) == parse_time_ms(text)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"now",
        b"2025-13-15T10:00:05.123Z",
        b"2025-06-15T10:61:05.123Z",
        b"\xff" * 19 + b".123Z",
    ],
)
def test_what_is_no_time_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the codec translates any
        parse_header_ms(header)
