from collections.abc import Mapping

import httpx
import pytest

from milepost_projector.probes import BindError, Probes, serving
from milepost_projector.progress import WAITS_FOR_THE_GROUP
from milepost_schemas.checkpoint import Checkpoint
from tests.unit.projector.observed import (
    Assignment,
    Clock,
    a_progress,
    a_registry,
    a_standing,
    written,
)


async def get(
    path: str, assignment: Assignment, checkpoints: Mapping[int, Checkpoint] | None = None
) -> httpx.Response:
    """What a projector answers whose open partitions have progressed to the checkpoints."""
    progress = a_progress(assignment, Clock())
    for number, checkpoint in (checkpoints or {}).items():
        progress.opened(number, a_standing(Checkpoint(0)))
        progress.settled(number, written(checkpoint))
    transport = httpx.ASGITransport(app=Probes(progress, a_registry(progress)))
    async with httpx.AsyncClient(transport=transport, base_url="http://projector") as client:
        return await client.get(path)


async def test_a_process_that_answers_lives_whatever_else_is_wrong() -> None:
    answer = await get("/livez", Assignment(is_assigned=False))
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("opened", [set(), {1, 2}], ids=["none", "all"])
async def test_a_projector_is_ready_if_all_its_partitions_are(opened: set[int]) -> None:
    checkpoints = {number: Checkpoint(1) for number in opened}
    answer = await get("/readyz", Assignment(opened=frozenset(opened)), checkpoints)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "partitions": sorted(opened)}


async def test_a_projector_names_the_partitions_that_are_not_ready() -> None:
    assignment = Assignment(opened=frozenset({1, 2}), pending=frozenset({3}))
    answer = await get("/readyz", assignment, {1: Checkpoint(1)})
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not_ready",
        "reason": "some partitions make no progress",
        "partitions": {"2": "it is not opened yet", "3": "it is not opened yet"},
    }


async def test_a_projector_that_waits_for_its_group_is_not_ready() -> None:
    answer = await get("/readyz", Assignment(is_assigned=False))
    assert answer.status_code == 503
    assert answer.json()["reason"] == WAITS_FOR_THE_GROUP


async def test_metrics_are_prometheus_text() -> None:
    answer = await get("/metrics", Assignment(opened=frozenset({1})), {1: Checkpoint(5)})
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'milepost_lag_records{partition="1"} 0.0' in answer.text.splitlines()


async def test_any_other_path_is_not_found() -> None:
    assert (await get("/", Assignment())).status_code == 404


async def test_an_address_that_cannot_be_had_is_an_error_that_names_it() -> None:
    progress = a_progress(Assignment(), Clock())
    app = Probes(progress, a_registry(progress))
    with pytest.raises(BindError, match=r"cannot listen on 192\.0\.2\.1:1: "):
        async with serving(app, "192.0.2.1", 1):
            pass
