import pytest

from milepost_query.waits.versions import OLDEST, newest_version, parse_version


def test_a_version_is_generation_and_revision() -> None:
    assert parse_version(b"12.345") == (12, 345)


@pytest.mark.parametrize(
    "text", [b"", b".", b"1", b"1.", b".1", b"1.x", b"-1.2", b"1.2.3", b'"1.2"', b"1." + b"2" * 99]
)
def test_anything_else_is_no_version(text: bytes) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("condition", "version"),
    [
        (b'"1.7"', (1, 7)),
        (b'W/"1.7"', (1, 7)),
        (b'"1.7", "1.12", W/"1.9"', (1, 12)),
        (b'"1.99", "2.1"', (2, 1)),
        (b'"other", "1.7"', (1, 7)),
        (b'"other"', OLDEST),
        (b"*", OLDEST),
    ],
)
def test_the_newest_of_a_condition_counts(condition: bytes, version: tuple[int, int]) -> None:
    assert newest_version(condition) == version
