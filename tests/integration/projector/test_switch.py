from collections.abc import AsyncIterator

import pytest

from milepost_local.servers import Server
from milepost_projector.read_model import RedisReadModel
from milepost_projector.rebuild.generations import Generations, OverruledError
from milepost_projector.switch import SwitchWatch
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Building, Meta

BEFORE = Meta(1, 1, 1, highest=2, building=Building(2, 1, 1, "owner"))
ANNOUNCED = Meta(1, 1, 1, highest=2, building=BEFORE.building, switch="a-switch")
AFTER = Meta(2, 1, 1, highest=2)


@pytest.fixture
async def read_model(redis_server: Server, unique: str) -> AsyncIterator[RedisReadModel]:
    made = RedisReadModel(redis_server.address, Keys(unique))
    await made.call("SET", made.keys.meta, BEFORE.encode())
    yield made
    await made.close()


async def test_a_switch_that_was_taken_back_cannot_succeed(read_model: RedisReadModel) -> None:
    generations = Generations(read_model)
    announced = await generations.change(BEFORE.encode(), ANNOUNCED)
    watch = SwitchWatch(read_model, patience_s=0)
    assert await watch.is_under_way()
    assert await watch.is_under_way()
    assert not await watch.is_under_way()
    with pytest.raises(OverruledError):
        await generations.change(announced, AFTER)
    assert await generations.meta() == (BEFORE.encode(), BEFORE)


async def test_a_switch_that_has_succeeded_cannot_be_taken_back(read_model: RedisReadModel) -> None:
    generations = Generations(read_model)
    announced = await generations.change(BEFORE.encode(), ANNOUNCED)
    watch = SwitchWatch(read_model, patience_s=0)
    await generations.change(announced, AFTER)
    await watch._take_back(announced, ANNOUNCED)
    assert await generations.meta() == (AFTER.encode(), AFTER)


async def test_a_switch_is_not_taken_back_before_its_time(read_model: RedisReadModel) -> None:
    await Generations(read_model).change(BEFORE.encode(), ANNOUNCED)
    now_s = 100.0
    watch = SwitchWatch(read_model, patience_s=5, clock_s=lambda: now_s)
    assert await watch.is_under_way()
    now_s = 104.9
    assert await watch.is_under_way()
    assert (await Generations(read_model).meta())[1] == ANNOUNCED
    now_s = 105.0
    await watch.is_under_way()
    assert (await Generations(read_model).meta())[1] == BEFORE


async def test_a_checkpoint_is_opened_only_when_its_switch_is_dead(
    read_model: RedisReadModel,
) -> None:
    generations, watch = Generations(read_model), SwitchWatch(read_model)
    announced = await generations.change(BEFORE.encode(), ANNOUNCED)
    assert not await watch.is_dead("a-switch", 1)
    assert await watch.is_dead("an-earlier-one", 1)
    await generations.change(announced, AFTER)
    assert not await watch.is_dead("a-switch", 1)


async def test_a_checkpoint_is_closed_where_its_owner_has_moved_it(
    read_model: RedisReadModel,
) -> None:
    generations = Generations(read_model)
    keys = read_model.keys.partition(1, 0)
    await read_model.call("SET", keys.checkpoint, Checkpoint(7, 1_000, 9).encode())
    assert await generations.close(1, 0, "a-switch") == Checkpoint(
        7, 1_000, 9, closed_by="a-switch"
    )
    assert await generations.close(1, 0, "the-next") == Checkpoint(
        7, 1_000, 9, closed_by="the-next"
    )
    assert await read_model.checkpoint(keys) == b"7 1000 9 0 - the-next"


async def test_a_new_generation_claims_no_less_than_the_closed_one(
    read_model: RedisReadModel,
) -> None:
    generations = Generations(read_model)
    closed = Checkpoint(7, 1_000, 9, recover_to=8, closed_by="a-switch")
    with pytest.raises(OverruledError):
        await generations.adopt(2, 0, closed)
    await generations.begin(2, {0: 7})
    await generations.adopt(2, 0, closed)
    assert (await generations.checkpoints(2, 1))[0] == Checkpoint(7, 1_000, 9, recover_to=8)
