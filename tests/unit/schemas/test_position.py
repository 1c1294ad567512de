import pytest

from milepost_schemas.position import Position
from milepost_schemas.topics import EVENTS


def test_a_position_is_version_partition_and_offset() -> None:
    assert EVENTS.name.endswith(".v1")
    assert Position(7, 1042).encode() == "1:7:1042"


def test_what_is_encoded_is_decoded() -> None:
    for position in (Position(7, 1042), Position(0, 0), Position(11, 2**59, 2)):
        assert Position.decode(position.encode()) == position


@pytest.mark.parametrize(
    "text", ["", "1", "1:7", "1:7:", "1:7:x", "1:-7:3", "1:7:3:4", " 1:7:3", "1:7:3 ", "1:7:²"]
)
def test_anything_else_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match="<version>:<partition>:<offset>"):
        Position.decode(text)


def test_a_position_that_is_too_long_is_not_read() -> None:
    with pytest.raises(ValueError, match="<version>"):
        Position.decode("1:7:" + "9" * 10_000)
