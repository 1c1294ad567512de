"""Leases of rate limits where there are several Redis servers."""

import asyncio
import time

import pytest

from milepost_query.access.allowance import Allowance, Budget
from milepost_query.access.leases import connect_leases
from tests.fixtures.redis_cluster import RedisCluster
from tests.fixtures.redis_sentinel import RedisSentinel

CALLERS = 30
"""Enough for some to be on each primary."""


@pytest.fixture(params=["cluster", "sentinel"])
def url(request: pytest.FixtureRequest) -> str:
    servers: RedisCluster | RedisSentinel = request.getfixturevalue(request.param)
    return servers.url


async def test_every_caller_gets_its_lease_from_the_primary_that_has_its_bucket(
    url: str, unique: str
) -> None:
    async with connect_leases(url, unique, time.time) as leases:
        taking = asyncio.create_task(leases.watch())
        allowances = [Allowance(Budget("status", 5.0), time.time()) for _ in range(CALLERS)]
        for number, allowance in enumerate(allowances):
            assert allowance.begin_lease(time.time())
            leases.want(allowance, f"key:{number}")
        async with asyncio.timeout(60):
            while sum(leases.taken.values()) < CALLERS:  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.01)
        taking.cancel()

    assert leases.taken == {"shared": CALLERS, "alone": 0}
    assert {allowance.left for allowance in allowances} == {1.0}
