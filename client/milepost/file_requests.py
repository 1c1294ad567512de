"""What is asked about files: the requests, and what their answers come to."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final

from milepost.answers import parse
from milepost.conversations import Conversation, Pace, Request, ask
from milepost.paths import checked_file_id, file_path, files_path, status_path, usage_path
from milepost_schemas.document import Status
from milepost_schemas.http import (
    FileDetails,
    FileList,
    FileLog,
    ProcessingStatus,
    Statuses,
    StorageUsage,
)

MAX_FILES_A_REQUEST: Final = 500
"""How many statuses one request may ask for."""

StatusesById = dict[str, ProcessingStatus | None]
"""By file id, in the order they were asked for; None for a file that is not there."""


def get_status(
    pace: Pace, *, organization_id: str, store_id: str, file_id: str
) -> Conversation[ProcessingStatus]:
    """Where the processing of a file stands."""
    path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
    return ask(Request(path, pace.timeout_s), partial(parse, ProcessingStatus), pace)


def get_statuses(
    pace: Pace, *, organization_id: str, store_id: str, file_ids: Iterable[str]
) -> Conversation[StatusesById]:
    """Where the processing of many files stands, in as few requests as possible."""
    path = f"{files_path(organization_id=organization_id, store_id=store_id)}/status"
    return _ask_in_parts(path, [checked_file_id(file_id) for file_id in file_ids], pace)


def list_files(  # noqa: PLR0913  as many as the interface has
    pace: Pace,
    *,
    organization_id: str,
    store_id: str,
    status: Status | None,
    search: str | None,
    skip: int,
    limit: int,
) -> Conversation[FileList]:
    """A page of a store's files, newest first."""
    path = files_path(organization_id=organization_id, store_id=store_id)
    params: dict[str, str | int] = {"skip": skip, "limit": limit}
    if status is not None:
        params["status"] = status
    if search:
        params["search"] = search
    return ask(Request(path, pace.timeout_s, params=params), partial(parse, FileList), pace)


def get_file(
    pace: Pace, *, organization_id: str, store_id: str, file_id: str
) -> Conversation[FileDetails]:
    """What is known of a file."""
    path = file_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
    return ask(Request(path, pace.timeout_s), partial(parse, FileDetails), pace)


def get_file_logs(
    pace: Pace, *, organization_id: str, store_id: str, file_id: str
) -> Conversation[FileLog]:
    """The newest lines of a file's processing log."""
    path = file_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
    return ask(Request(f"{path}/logs", pace.timeout_s), partial(parse, FileLog), pace)


def get_usage(pace: Pace, *, organization_id: str) -> Conversation[StorageUsage]:
    """What an organization stores."""
    path = usage_path(organization_id=organization_id)
    return ask(Request(path, pace.timeout_s), partial(parse, StorageUsage), pace)


def _ask_in_parts(path: str, file_ids: list[str], pace: Pace) -> Conversation[StatusesById]:
    statuses: StatusesById = {}
    for part in _parts(dict.fromkeys(file_ids)):
        request = Request(path, pace.timeout_s, method="POST", body={"file_ids": part})
        batch = yield from ask(request, partial(parse, Statuses), pace)
        for file_id in part:
            status = batch.files.get(file_id, "not_found")
            statuses[file_id] = None if status == "not_found" else status
    return statuses


def _parts(file_ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(file_ids)
    while part := list(islice(remaining, MAX_FILES_A_REQUEST)):
        yield part
