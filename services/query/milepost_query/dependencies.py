"""What the routes that FastAPI serves ask for: the parts of the application, and the caller.

All are coroutines, though none waits: FastAPI would send anything else through a thread.
"""

from typing import Annotated

from fastapi import Depends, Request

from milepost_query.access.admission import Admission
from milepost_query.access.credential import Credential
from milepost_query.addresses import FileAddress, file_address
from milepost_query.certainty import Certainty, not_in_store
from milepost_query.file_config import Limits
from milepost_query.parameters import FileId, LogPosition, OrganizationId, StoreId
from milepost_query.positions import Positions
from milepost_query.read_model import ReadModel
from milepost_query.snapshots import Snapshots


async def _read_model(request: Request) -> ReadModel:
    read_model: ReadModel = request.state.read_model
    return read_model


async def _certainty(request: Request) -> Certainty:
    certainty: Certainty = request.state.certainty
    return certainty


async def _snapshots(request: Request) -> Snapshots:
    snapshots: Snapshots = request.state.snapshots
    return snapshots


async def _limits(request: Request) -> Limits:
    limits: Limits = request.state.limits
    return limits


async def _somebody(request: Request) -> Credential:
    admission: Admission = request.state.admission
    return admission.identify(dict(request.scope["headers"]))


async def _admission(request: Request) -> Admission:
    admission: Admission = request.state.admission
    return admission


async def _caller(
    request: Request, organization_id: OrganizationId, position: LogPosition = None
) -> Credential:
    admission: Admission = request.state.admission
    credential = admission.admit(dict(request.scope["headers"]), organization_id)
    if position is not None:
        positions: Positions = request.state.positions
        await positions.reach(position)
    return credential


TheReadModel = Annotated[ReadModel, Depends(_read_model)]
TheCertainty = Annotated[Certainty, Depends(_certainty)]
TheSnapshots = Annotated[Snapshots, Depends(_snapshots)]
TheLimits = Annotated[Limits, Depends(_limits)]
Somebody = Annotated[Credential, Depends(_somebody)]
"""Who asks, of whichever organization and with whichever scopes."""
TheAdmission = Annotated[Admission, Depends(_admission)]
Caller = Annotated[Credential, Depends(_caller)]
"""Who asks, and may read what the `organization_id` of the path has.

It is known only when the read model has passed the position that the request names."""


async def _file(
    _: Caller, organization_id: OrganizationId, store_id: StoreId, file_id: FileId
) -> FileAddress:
    address = file_address(organization_id, store_id, file_id)
    if not address.is_well_formed:
        raise not_in_store(address)
    return address


TheFile = Annotated[FileAddress, Depends(_file)]
"""The file of the path, which the caller may read if it is there."""
