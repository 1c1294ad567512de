import tracemalloc

import pytest

from milepost_query.addresses import FileAddress, PlainPath, plain_path

FILES = b"/v1/organizations/org_a/stores/vs_b/files"


def test_a_status_path_names_its_file() -> None:
    address = FileAddress("org_a", "vs_b", "file_c", is_well_formed=True)

    assert plain_path(FILES + b"/file_c/status") == PlainPath("status", address)
    assert plain_path(FILES + b"/file_c/status/stream") == PlainPath("stream", address)


def test_a_path_of_many_files_names_their_store() -> None:
    store = FileAddress("org_a", "vs_b", "", is_well_formed=False)

    assert plain_path(FILES + b"/status") == PlainPath("statuses", store)
    assert plain_path(FILES) == PlainPath("files", store)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/v1/organizations/o/stores/s/files/",
        b"/v1/organizations/o/stores/s%2Ffiles",
        b"/v1/organizations/o/stores/usage",
        b"/v1/organizations/o/stores/s/files/f",
        b"/v1/organizations/o/stores/s/files/f/status/",
        b"/v1/organizations/o/stores/s/files/f/status/streams",
        b"/v1/organizations/o/stores/s/files/f/status/stream/",
        b"/v1/organizations/o/stores/s/files/status/",
        b"/v1/organizations/o/stores/s/files/f/g/status",
        b"/v1/organizations/o/stores/s/files/f%2Fg/status/x",
        b"/v2/organizations/o/stores/s/files/f/status",
        b"//v1/organizations/o/stores/s/files/f/status",
        b"/v1/organizations/o/stores/s/files%2Ff/status",
    ],
)
def test_other_paths_are_left_to_the_router(path: bytes) -> None:
    assert plain_path(path) is None


@pytest.mark.parametrize("file_id", [b"a%2Fb", b"a%00", b"", b"%FF", b"a b", b"upload", b"status"])
def test_a_file_id_that_cannot_exist_is_still_a_status_request(file_id: bytes) -> None:
    path = plain_path(FILES + b"/" + file_id + b"/status")

    assert path is not None
    assert not path.address.is_well_formed


def test_encoded_letters_are_the_letters() -> None:
    path = plain_path(b"/v1/organizations/%6F/stores/s/files/file%5F1/status")

    assert path is not None
    assert path.address == FileAddress("o", "s", "file_1", is_well_formed=True)


def test_nobody_fills_the_memory_with_paths_that_name_nothing() -> None:
    tracemalloc.start()
    try:
        for number in range(200):
            assert plain_path(FILES + b"/%d%b/status" % (number, b"x" * 60_000)) is not None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1_000_000
