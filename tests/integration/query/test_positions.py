import asyncio
import time

import httpx

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import render_status
from milepost_schemas.position import Position
from tests.integration.query.files import PATH, completed, processing
from tests.integration.query.running import READER
from tests.integration.query.stored_model import PARTITIONS, StoredModel, now_ms


async def ask(client: httpx.AsyncClient, position: str) -> httpx.Response:
    return await client.get(PATH, headers={**READER, "Milepost-Position": position})


async def reach(model: StoredModel, next_offset: int) -> None:
    await model.checkpoint(model.partition_of(processing()), Checkpoint(next_offset, now_ms()))


async def test_a_read_waits_until_its_position_is_passed(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    await reach(model, 42)
    position = Position(model.partition_of(processing()), 42).encode()
    asking = asyncio.create_task(ask(client, position))
    # As many answers as a read that did not wait would need.
    for _ in range(10):
        await ask(client, Position(model.partition_of(processing()), 41).encode())
    assert not asking.done()

    await model.put(completed())
    await reach(model, 43)

    assert (await asking).content == render_status(completed())


async def test_a_position_that_is_not_passed_in_time_is_503(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    ahead = Position(model.partition_of(processing()), 42)
    newer_log = Position(0, 0, version=ahead.version + 1)

    began = time.monotonic()
    answers = await asyncio.gather(*(ask(client, p.encode()) for p in (ahead, newer_log)))

    assert time.monotonic() - began >= 2
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "READ_MODEL_NOT_READY"


async def test_a_position_in_an_older_log_has_been_passed(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())

    assert (await ask(client, Position(99, 42, version=0).encode())).status_code == 200


async def test_what_is_no_position_is_a_validation_error(
    client: httpx.AsyncClient, model: StoredModel
) -> None:
    await model.put(processing())
    for position in ("", "42", "1:0:x", f"1:{PARTITIONS}:0"):
        response = await ask(client, position)

        assert response.status_code == 422
        (error,) = response.json()["error"]["details"]["errors"]
        assert error["loc"] == ["header", "Milepost-Position"]


async def test_a_position_tells_a_stranger_nothing(client: httpx.AsyncClient) -> None:
    headers = {"X-API-Key": "ak_stranger", "Milepost-Position": "no position"}

    assert (await client.get(PATH, headers=headers)).status_code == 403
