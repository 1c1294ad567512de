import pytest

from milepost_schemas.identity import RESERVED_FILE_IDS, file_key, is_file_id, is_identifier


@pytest.mark.parametrize("text", ["a", "7", "org_1", "vs.main-2", "a" * 128])
def test_these_texts_name_something(text: str) -> None:
    assert is_identifier(text)


@pytest.mark.parametrize(
    "text", ["", "_a", ".a", "-a", "a/b", "a b", "a\n", "é", "a" * 129, "a{b}", "²"]
)
def test_these_texts_name_nothing(text: str) -> None:
    assert not is_identifier(text)


@pytest.mark.parametrize("text", sorted(RESERVED_FILE_IDS))
def test_a_segment_of_a_route_names_no_file(text: str) -> None:
    assert is_identifier(text)
    assert not is_file_id(text)


def test_a_files_key_names_store_and_file() -> None:
    assert file_key("vs_1", "file_1") == "vs_1/file_1"
