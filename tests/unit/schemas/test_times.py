import pytest

from milepost_schemas.times import format_ms, format_seconds, parse_time_ms


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-15T10:00:05.250Z",
        "2025-06-15t10:00:05.25z",
        "2025-06-15T12:00:05.250+02:00",
        "2025-06-15T10:00:05.250000999Z",
    ],
)
def test_a_time_is_read_however_it_is_written(text: str) -> None:
    assert parse_time_ms(text) == 1_749_981_605_250


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-06-15",
        "2025-06-15T10:00:05",
        "2025-02-30T10:00:05Z",
        "2016-12-31T23:59:60Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.9999Z",
    ],
)
def test_what_is_no_moment_of_the_years_1_to_9999_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time_ms(text)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
)
def test_every_accepted_time_can_be_written(text: str) -> None:
    assert format_ms(parse_time_ms(text)) == text


def test_whole_seconds_have_four_digits_of_the_year() -> None:
    assert format_seconds(parse_time_ms("0087-03-04T05:06:07Z") // 1000) == "0087-03-04T05:06:07Z"


@pytest.mark.parametrize("milliseconds", [-(10**15), 10**15, 10**30])
def test_what_no_clock_shows_cannot_be_written(milliseconds: int) -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        format_ms(milliseconds)
