"""What the routes that FastAPI serves ask for: the parts of the application, and the caller."""

from typing import Annotated

from fastapi import Depends, Request

from milepost_query.admission import Admission
from milepost_query.api_keys import Credential
from milepost_query.certainty import Certainty
from milepost_query.read_model import ReadModel


def _read_model(request: Request) -> ReadModel:
    read_model: ReadModel = request.state.read_model
    return read_model


def _certainty(request: Request) -> Certainty:
    certainty: Certainty = request.state.certainty
    return certainty


def _caller(request: Request, organization_id: str) -> Credential:
    admission: Admission = request.state.admission
    return admission.admit(dict(request.scope["headers"]), organization_id)


TheReadModel = Annotated[ReadModel, Depends(_read_model)]
TheCertainty = Annotated[Certainty, Depends(_certainty)]
Caller = Annotated[Credential, Depends(_caller)]
"""Who asks, and may read what the `organization_id` of the path has."""
