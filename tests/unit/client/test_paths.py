import pytest

from milepost.errors import InvalidIdentifierError
from milepost.paths import file_path, files_path, status_path, usage_path
from tests.unit.client.scripted_service import PATH


@pytest.mark.parametrize(
    "ids",
    [
        ("../x", "vs_1", "file_1"),
        ("org_1", "vs 1", "file_1"),
        ("org_1", "vs_1", ""),
        ("org_1", "vs_1", "a/b"),
        ("org_1", "vs_1", "upload"),
        ("org_1", "vs_1", "file_1?x=1"),
    ],
)
def test_ids_that_would_change_the_path_are_never_sent(ids: tuple[str, str, str]) -> None:
    organization_id, store_id, file_id = ids
    with pytest.raises(InvalidIdentifierError):
        status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)


def test_the_path_is_the_documented_one() -> None:
    assert status_path(organization_id="org_1", store_id="vs_1", file_id="file_1") == PATH
    assert file_path(organization_id="org_1", store_id="vs_1", file_id="file_1") + "/status" == PATH
    assert files_path(organization_id="org_1", store_id="vs_1") in PATH
    assert usage_path(organization_id="org_1") == "/v1/organizations/org_1/stores/usage"
