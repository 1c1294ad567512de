"""What is stored, and what may be."""

from fastapi import APIRouter
from starlette.responses import Response

from milepost_query.answers import answer
from milepost_query.dependencies import Caller, Somebody, TheLimits, TheSnapshots
from milepost_query.description.openapi_parts import CACHING, FRESHNESS, found
from milepost_query.file_config import Limits, file_config
from milepost_query.parameters import OrganizationId
from milepost_query.storage_usage import read_usage

router = APIRouter(tags=["storage"])

_USAGE_EXAMPLE = {
    "total_bytes": 10_000_000_000,
    "used_bytes": 52_428_800,
    "file_count": 45,
    "stores": [
        {
            "store_id": "vs_abc123",
            "store_name": "vs_abc123",
            "used_bytes": 52_428_800,
            "file_count": 45,
        }
    ],
}


@router.get(
    "/v1/organizations/{organization_id}/stores/usage",
    operation_id="get_storage_usage",
    summary="Get how much an organization stores",
    responses={
        200: found(
            "The sums over all files that are not deleted.",
            "StorageUsage",
            {"one store": _USAGE_EXAMPLE},
            {**FRESHNESS, **CACHING},
        ),
    },
)
async def get_storage_usage(
    organization_id: OrganizationId,
    _: Caller,
    snapshots: TheSnapshots,
    limits: TheLimits,
) -> Response:
    """The sums are exact: they are counted where the files are written."""
    usage = await read_usage(snapshots, organization_id, limits.storage_bytes)
    return answer(usage.body, usage.freshness.headers)


@router.get(
    "/v1/files/config",
    operation_id="get_file_config",
    summary="Get what may be uploaded",
    responses={
        200: found(
            "The types that are read, and how large files may be.",
            "FileConfig",
            {"by default": file_config(Limits()).model_dump(mode="json")},
            CACHING,
        ),
    },
)
async def get_file_config(_: Somebody, limits: TheLimits) -> Response:
    """The same for everybody who has credentials, whatever their scopes."""
    return answer(file_config(limits).model_dump_json().encode(), ())
