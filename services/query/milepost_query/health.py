"""Whether the process lives, and whether it can answer."""

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from milepost_query.dependencies import TheAdmission, TheReadModel
from milepost_query.description.openapi_parts import found, problems
from milepost_query.problems import READ_MODEL_NOT_READY, TOKENS_NOT_CHECKED, ProblemError
from milepost_query.read_model import Survey
from milepost_query.shared_reads import NotReadyError

PROBES: Final = ("/livez", "/readyz", "/metrics")

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Redis answers, and every partition of the live generation is answered from."""

    status: Literal["ready"] = "ready"
    generation: int
    partitions: int


@router.get(
    "/livez",
    operation_id="get_liveness",
    summary="Whether the process lives",
    responses={200: found("It lives.", "Alive", {"alive": {"status": "alive"}})},
)
async def livez() -> Alive:
    """Answers as long as the process does."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Whether every status can be answered",
    responses={
        200: found(
            "Everything is answered.",
            "Ready",
            {"ready": {"status": "ready", "generation": 1, "partitions": 12}},
        ),
        **problems(READ_MODEL_NOT_READY, TOKENS_NOT_CHECKED),
    },
)
async def readyz(read_model: TheReadModel, admission: TheAdmission) -> Ready:
    """Asks Redis for the metadata and for every checkpoint of the live generation.

    Not ready either as long as tokens are accepted and the keys to check them were never had.
    """
    if not admission.is_ready:
        raise ProblemError(TOKENS_NOT_CHECKED, {"reason": "no keys to check tokens against"})
    try:
        survey = await read_model.survey()
    except NotReadyError as error:
        raise ProblemError(READ_MODEL_NOT_READY, {"reason": error.reason}) from error
    if survey.obstacles:
        raise ProblemError(READ_MODEL_NOT_READY, _details(survey))
    return Ready(generation=survey.meta.generation, partitions=survey.meta.partitions)


def _details(survey: Survey) -> dict[str, object]:
    """The partitions that are not ready, by what is wrong with them."""
    by_obstacle: dict[str, list[int]] = {}
    for partition, obstacle in survey.obstacles.items():
        by_obstacle.setdefault(obstacle, []).append(partition)
    return {
        "reason": "some partitions are not ready",
        "generation": survey.meta.generation,
        "partitions": by_obstacle,
    }
