"""How much each caller may ask, and what it is told about that."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from milepost_local.ports import free_port
from milepost_local.servers import Server
from milepost_query.access.allowance import Allowance, Budget
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.leases import Leases, connect_leases
from milepost_query.terms import Bound, Terms
from tests.integration.query.files import FILE, PATH, completed, processing
from tests.integration.query.running import READER, running_query
from tests.integration.query.stored_model import StoredModel

SECOND = {"X-API-Key": "ak_second"}
RATE_PER_S = 2.0
QUOTA = 20
NARROW = Terms(rates_per_s={"status": RATE_PER_S, "requests": 1.0}, refused_after_s=0)
STATUSES = PATH.replace(f"/{FILE}", "")
USAGE = f"{PATH.partition('/stores/')[0]}/stores/usage"


@pytest.fixture
async def asking(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that allows 20 status reads at once."""
    await model.put(processing())
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=NARROW
    ) as client:
        yield client


async def ask(
    client: httpx.AsyncClient, times: int, headers: dict[str, str] = READER, path: str = PATH
) -> list[httpx.Response]:
    return [await client.get(path, headers=headers) for _ in range(times)]


def codes(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def test_each_answer_tells_what_remains(asking: httpx.AsyncClient) -> None:
    (first, second) = await ask(asking, 2)

    assert first.headers["ratelimit"] == '"status";r=19;t=1'
    assert second.headers["ratelimit"].startswith('"status";r=1')


async def test_who_asks_too_much_is_refused_until_there_is_enough_again(
    asking: httpx.AsyncClient,
) -> None:
    began = time.monotonic()
    answers = await ask(asking, 3 * QUOTA)
    lasted = time.monotonic() - began

    allowed, refused = codes(answers)[200], [a for a in answers if a.status_code == 429]
    assert QUOTA <= allowed <= QUOTA + RATE_PER_S * lasted + 1
    error = refused[-1].json()["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["details"] == {
        "retry_after": int(refused[-1].headers["retry-after"]),
        "limited": "status",
        "limit": QUOTA,
        "window_s": 10,
    }
    assert error["details"]["retry_after"] >= 1
    assert refused[-1].headers["ratelimit-policy"] == f'"status";q={QUOTA};w=10'
    assert refused[-1].headers["x-ratelimit-limit"] == str(QUOTA)
    assert refused[-1].headers["x-ratelimit-remaining"] == "0"
    assert 0 <= int(refused[-1].headers["x-ratelimit-reset"]) - time.time() + 1 <= 60
    assert refused[-1].headers["ratelimit"].startswith('"status";r=0;t=')
    async with asyncio.timeout(60):
        while codes(await ask(asking, 1))[429]:  # noqa: ASYNC110  no event says it
            await asyncio.sleep(0.05)


async def test_a_refusal_is_held_back_and_holds_nobody_else_up(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> None:
    await model.put(processing())
    terms = Terms(rates_per_s={"status": 0.1, "requests": 1.0}, refused_after_s=2)
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=terms
    ) as client:
        allowed = await client.get(PATH, headers=READER)
        began = time.monotonic()
        refusal = asyncio.create_task(client.get(PATH, headers=READER))
        probe = await client.get("/livez")
        was_held = not refusal.done()
        refused = await refusal
        lasted = time.monotonic() - began

    assert (allowed.status_code, probe.status_code, refused.status_code) == (200, 200, 429)
    assert was_held
    assert lasted >= 2


async def test_one_callers_flood_leaves_the_others_and_its_other_budget_alone(
    asking: httpx.AsyncClient,
) -> None:
    flood = await ask(asking, 3 * QUOTA)

    others = await ask(asking, 5, SECOND)
    own = await ask(asking, 1, path=USAGE)

    assert codes(flood)[429]
    assert codes(others) == {200: 5}
    assert codes(own) == {200: 1}
    assert own[0].headers["ratelimit"].startswith('"requests";r=9;')


async def test_requests_that_are_not_admitted_are_charged_for_as_well(
    asking: httpx.AsyncClient,
) -> None:
    answers = await ask(asking, 3 * QUOTA, {"X-API-Key": "ak_stranger"})

    assert set(codes(answers)) == {403, 429}


async def test_probes_and_strangers_have_no_limit(asking: httpx.AsyncClient) -> None:
    answers = await ask(asking, 30, {}, "/livez")

    assert codes(answers) == {200: 30}
    assert "ratelimit" not in answers[0].headers


async def test_all_processes_share_one_quota(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> None:
    await model.put(processing())
    service = {"prefix": model.prefix, "api_keys": ApiKeys(keys_file), "terms": NARROW}
    async with (
        running_query(redis_server.address, **service) as one,  # type: ignore[arg-type]
        running_query(redis_server.address, **service) as other,  # type: ignore[arg-type]
    ):
        began = time.monotonic()
        answers = [answer for _ in range(60) for c in (one, other) for answer in await ask(c, 1)]
        lasted = time.monotonic() - began

    # Beyond the quota: what was refilled, and a lease or two that crossed on the way.
    assert codes(answers)[200] <= QUOTA + RATE_PER_S * lasted + 6
    assert codes(answers)[200] >= QUOTA


async def test_without_a_limit_nothing_is_counted(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> None:
    await model.put(processing())
    async with running_query(
        redis_server.address,
        prefix=model.prefix,
        api_keys=ApiKeys(keys_file),
        terms=Terms(rates_per_s={"status": 0, "requests": 0}),
    ) as client:
        answers = await ask(client, 100)

    assert codes(answers) == {200: 100}
    assert not [name for name in answers[0].headers if "ratelimit" in name]


async def test_refusals_and_leases_are_counted(asking: httpx.AsyncClient) -> None:
    refused = codes(await ask(asking, 2 * QUOTA))[429]

    metrics = (await asking.get("/metrics")).text.splitlines()

    assert f'milepost_refused_requests_total{{budget="status"}} {refused}.0' in metrics
    (shared,) = [line for line in metrics if 'leases_total{source="shared"}' in line]
    assert float(shared.split()[-1]) > 0
    assert 'milepost_rate_leases_total{source="alone"} 0.0' in metrics


async def test_a_read_of_many_statuses_costs_more_than_one(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> None:
    terms = Terms(rates_per_s={"status": 10, "requests": 1})
    many = {"file_ids": [FILE] * 500}
    await model.put(processing())
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=terms
    ) as client:
        few = await client.post(STATUSES, json={"file_ids": [FILE]}, headers=READER)
        began = time.monotonic()
        answers = [await client.post(STATUSES, json=many, headers=SECOND) for _ in range(6)]
        lasted = time.monotonic() - began

    assert few.headers["ratelimit"].startswith('"status";r=99;')
    # A hundred tokens and those that came back meanwhile, 26 for each.
    assert 3 <= codes(answers)[200] <= (100 + 10 * lasted) // 26


HELD_ONCE = Terms(max_waits=Bound(9, 1), max_streams=Bound(9, 1))


@pytest.fixture
async def held(
    redis_server: Server, model: StoredModel, keys_file: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that holds one wait and one stream open for each caller."""
    await model.put(processing())
    async with running_query(
        redis_server.address, prefix=model.prefix, api_keys=ApiKeys(keys_file), terms=HELD_ONCE
    ) as client:
        yield client


async def gauge(client: httpx.AsyncClient, name: str, value: int) -> None:
    """Returns once the metric has the value."""
    async with asyncio.timeout(60):
        while True:
            if f"{name} {value}.0" in (await client.get("/metrics")).text.splitlines():
                return
            await asyncio.sleep(0.02)


async def test_a_caller_gets_no_more_than_its_waits(
    held: httpx.AsyncClient, model: StoredModel
) -> None:
    until_done = {**READER, "Prefer": "wait=30"}
    waiting = asyncio.create_task(held.get(PATH, headers=until_done, timeout=60))
    await gauge(held, "milepost_open_waits", 1)

    second = await held.get(PATH, headers=until_done)
    of_many = await held.post(STATUSES, json={"file_ids": [FILE]}, headers=until_done)
    at_once = await held.get(PATH, headers=READER)
    others = await held.get(PATH, headers={**SECOND, "Prefer": "wait=0"})
    await model.put(completed())
    first = await waiting

    assert (second.status_code, of_many.status_code) == (429, 429)
    assert second.json()["error"]["details"] == {
        "retry_after": 1,
        "limited": "waits",
        "bound": "per_caller",
        "limit": 1,
    }
    assert (at_once.status_code, others.status_code, first.status_code) == (200, 200, 200)
    await gauge(held, "milepost_open_waits", 0)


async def test_a_caller_gets_no_more_than_its_streams_and_a_closed_one_is_free_again(
    held: httpx.AsyncClient,
) -> None:
    async with held.stream("GET", f"{PATH}/stream", headers=READER) as first:
        second = await held.get(f"{PATH}/stream", headers=READER)
        async with held.stream("GET", f"{PATH}/stream", headers=SECOND) as others:
            open_ = (first.status_code, others.status_code)
            await gauge(held, "milepost_open_streams", 2)
    await gauge(held, "milepost_open_streams", 0)
    async with held.stream("GET", f"{PATH}/stream", headers=READER) as third:
        again = third.status_code

    assert (open_, second.status_code, again) == ((200, 200), 429, 200)
    assert second.json()["error"]["details"]["limited"] == "streams"


async def settled(leases: Leases, allowance: Allowance) -> None:
    """Takes a lease."""
    before = sum(leases.taken.values())
    assert allowance.begin_lease(time.time())
    leases.want(allowance, "key:one")
    async with asyncio.timeout(60):
        while sum(leases.taken.values()) == before:  # noqa: ASYNC110  no event says it
            await asyncio.sleep(0.01)


async def test_a_bucket_has_a_hash_tag_of_its_own_and_is_forgotten_once_it_is_full(
    redis_server: Server, unique: str
) -> None:
    async with (
        connect_leases(redis_server.address, unique, time.time) as leases,
        Redis.from_url(redis_server.address) as redis,
    ):
        taking = asyncio.create_task(leases.watch())
        allowance = Allowance(Budget("status", 5.0), time.time())
        allowance.take(10, time.time())
        await settled(leases, allowance)
        (key,) = [name async for name in redis.scan_iter(f"{unique}-limits:*")]
        level = float(await redis.hget(key, "level") or "nan")
        lives_ms = await redis.pttl(key)
        taking.cancel()

    prefix, tag, budget = key.decode().split(":")
    assert (prefix, budget) == (f"{unique}-limits", "status")
    assert tag.startswith("{")
    assert tag.endswith("}")
    assert level == pytest.approx(39)
    assert 0 < lives_ms <= (11 / 5 + 1) * 1000 + 1


async def test_a_redis_that_is_away_leaves_each_process_its_own_limit(unique: str) -> None:
    address = f"redis://127.0.0.1:{free_port()}"
    with capture_logs() as logged:
        async with connect_leases(address, unique, time.time) as leases:
            taking = asyncio.create_task(leases.watch())
            now = time.time()
            allowance = Allowance(Budget("status", 0.2), now)
            spent = [allowance.take(1, now)]
            await settled(leases, allowance)
            spent += [allowance.take(1, now) for _ in range(3)]
            taking.cancel()

    assert spent == [True, True, False, False]
    assert leases.taken == {"shared": 0, "alone": 1}
    assert [entry["event"] for entry in logged] == ["limits_not_shared"]
