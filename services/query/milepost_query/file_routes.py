"""A file of a store: its details, its progress and its log."""

from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from milepost_primaries.snapshot_reads import Command
from milepost_query.addresses import FileAddress
from milepost_query.answers import answer, document_answer
from milepost_query.dependencies import (
    TheCertainty,
    TheFile,
    TheSnapshots,
)
from milepost_query.description.file_examples import DETAILS, DOCUMENTS, LOGS
from milepost_query.description.openapi_parts import CACHING, FRESHNESS, found, problems
from milepost_query.description.status_description import DOCUMENT_HEADERS, IF_NONE_MATCH, unchanged
from milepost_query.layout import Layout
from milepost_query.problems import FILE_NOT_IN_STORE
from milepost_query.renderings import file_details, file_log
from milepost_schemas.identity import file_key
from milepost_schemas.logs import MAX_LINES, decode_line
from milepost_schemas.status_record import encode_status
from milepost_schemas.topics import partition_of

_FILES: Final = "/v1/organizations/{organization_id}/stores/{store_id}/files"

router = APIRouter(tags=["files"])


@router.get(
    f"{_FILES}/{{file_id}}",
    operation_id="get_file",
    summary="Get a file",
    responses={
        200: found("The file.", "FileDetails", DETAILS, DOCUMENT_HEADERS),
        304: unchanged(DOCUMENT_HEADERS),
        **problems(FILE_NOT_IN_STORE),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_file(request: Request, file: TheFile, certainty: TheCertainty) -> Response:
    """404 is said only when it is certain, as for its status."""
    status, freshness = await certainty.read(file)
    return document_answer(request, status, freshness, render=file_details)


@router.get(
    f"{_FILES}/{{file_id}}/progress",
    operation_id="get_file_progress",
    summary="Get all that is known of the processing of a file",
    responses={
        200: found("The document.", "FileDocument", DOCUMENTS, DOCUMENT_HEADERS),
        304: unchanged(DOCUMENT_HEADERS),
        **problems(FILE_NOT_IN_STORE),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_file_progress(request: Request, file: TheFile, certainty: TheCertainty) -> Response:
    """The document, with its steps, as the topic `milepost.status.v1` carries it."""
    status, freshness = await certainty.read(file)
    return document_answer(request, status, freshness, render=encode_status)


@router.get(
    f"{_FILES}/{{file_id}}/logs",
    operation_id="get_file_logs",
    summary="Get the processing log of a file",
    responses={
        200: found(f"The newest {MAX_LINES} lines.", "FileLog", LOGS, {**FRESHNESS, **CACHING}),
        **problems(FILE_NOT_IN_STORE),
    },
)
async def get_file_logs(
    file: TheFile, certainty: TheCertainty, snapshots: TheSnapshots
) -> Response:
    """The lines of all attempts, the oldest first."""
    await certainty.read(file)
    found = await snapshots.read(partial(_log_question, file))
    ((lines,),) = found.by_partition.values()
    return answer(file_log([*map(decode_line, lines)]), found.freshness.headers)


def _log_question(file: FileAddress, layout: Layout) -> dict[int, list[Command]]:
    key = file_key(file.store_id, file.file_id)
    number = partition_of(key.encode(), layout.meta.partitions)
    return {number: [["LRANGE", layout.places[number].log(key), 0, -1]]}
