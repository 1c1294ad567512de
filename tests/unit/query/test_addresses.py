import pytest

from milepost_query.addresses import FileAddress, status_address


def test_a_status_path_names_its_file() -> None:
    path = b"/v1/organizations/org_a/stores/vs_b/files/file_c/status"

    assert status_address(path) == FileAddress("org_a", "vs_b", "file_c", True)  # noqa: FBT003  a tuple


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/v1/organizations/o/stores/s/files/f",
        b"/v1/organizations/o/stores/s/files/f/status/",
        b"/v1/organizations/o/stores/s/files/f/status/stream",
        b"/v1/organizations/o/stores/s/files/f/g/status",
        b"/v1/organizations/o/stores/s/files/f%2Fg/status/x",
        b"/v2/organizations/o/stores/s/files/f/status",
        b"//v1/organizations/o/stores/s/files/f/status",
        b"/v1/organizations/o/stores/s/files%2Ff/status",
    ],
)
def test_other_paths_are_left_to_the_router(path: bytes) -> None:
    assert status_address(path) is None


@pytest.mark.parametrize("file_id", [b"a%2Fb", b"a%00", b"", b"%FF", b"a b", b"upload", b"status"])
def test_a_file_id_that_cannot_exist_is_still_a_status_request(file_id: bytes) -> None:
    address = status_address(b"/v1/organizations/o/stores/s/files/" + file_id + b"/status")

    assert address is not None
    assert not address.is_well_formed


def test_encoded_letters_are_the_letters() -> None:
    address = status_address(b"/v1/organizations/%6F/stores/s/files/file%5F1/status")

    assert address == FileAddress("o", "s", "file_1", True)  # noqa: FBT003  a tuple
