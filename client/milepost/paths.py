"""The paths of the query service; an id that nothing can have never gets into one."""

from milepost.errors import InvalidIdentifierError
from milepost_schemas.identity import is_file_id, is_identifier


def usage_path(*, organization_id: str) -> str:
    """What an organization stores.

    Raises:
        InvalidIdentifierError: an id that nothing can have; it would make another path.
    """
    return f"{_organization_path(organization_id)}/stores/usage"


def files_path(*, organization_id: str, store_id: str) -> str:
    """The files of a store.

    Raises:
        InvalidIdentifierError: an id that nothing can have.
    """
    path = _organization_path(organization_id)
    if not is_identifier(store_id):
        raise InvalidIdentifierError("store_id", store_id)
    return f"{path}/stores/{store_id}/files"


def file_path(*, organization_id: str, store_id: str, file_id: str) -> str:
    """A file.

    Raises:
        InvalidIdentifierError: an id that nothing can have.
    """
    path = files_path(organization_id=organization_id, store_id=store_id)
    return f"{path}/{checked_file_id(file_id)}"


def status_path(*, organization_id: str, store_id: str, file_id: str) -> str:
    """A file's status.

    Raises:
        InvalidIdentifierError: an id that nothing can have.
    """
    path = file_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
    return f"{path}/status"


def checked_file_id(file_id: str) -> str:
    """The id, if a file can have it.

    Raises:
        InvalidIdentifierError: none can.
    """
    if not is_file_id(file_id):
        raise InvalidIdentifierError("file_id", file_id)
    return file_id


def _organization_path(organization_id: str) -> str:
    if not is_identifier(organization_id):
        raise InvalidIdentifierError("organization_id", organization_id)
    return f"/v1/organizations/{organization_id}"
