"""The query service inside the test's process, behind a real server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx
from fastapi import FastAPI

from milepost_query.access.admission import Admission
from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.authentication import Authentication
from milepost_query.access.leases import connect_leases
from milepost_query.access.rate_limits import RateLimits
from milepost_query.access.tokens import Tokens
from milepost_query.application import Sources, create_application
from milepost_query.connections import connect, connect_snapshots
from milepost_query.read_model import ReadModel
from milepost_query.server import Server, bind
from milepost_query.terms import DEFAULT_TERMS, Terms
from milepost_query.waits.following import POLL_EVERY_S, Following
from milepost_query.waits.hints import connect_hints
from milepost_schemas.keys import Keys

ORGANIZATION = "org_xyz789"
READER = {"X-API-Key": "ak_reader"}

KEYS = [
    ("ak_reader", ORGANIZATION, ["files:read"], None),
    ("ak_second", ORGANIZATION, ["files:read", "files:write"], None),
    ("ak_writer", ORGANIZATION, ["files:write"], None),
    ("ak_expired", ORGANIZATION, ["files:read"], "2025-01-01T00:00:00Z"),
    ("ak_stranger", "org_stranger", ["files:read"], None),
]


def write_keys(path: Path, keys: list[tuple[str, str, list[str], str | None]]) -> None:
    entries = [
        {
            "key_id": f"key-{number}",
            "sha256": sha256(key.encode()).hexdigest(),
            "organization_id": organization_id,
            "scopes": scopes,
            "expires_at": expires_at,
        }
        for number, (key, organization_id, scopes, expires_at) in enumerate(keys)
    ]
    path.write_text(json.dumps({"keys": entries}))


@asynccontextmanager
async def application(
    redis_url: str,
    *,
    prefix: str,
    api_keys: ApiKeys,
    tokens: Tokens | None = None,
    terms: Terms = DEFAULT_TERMS,
    poll_every_s: float = POLL_EVERY_S,
) -> AsyncIterator[tuple[FastAPI, Following]]:
    async with (
        connect(redis_url) as redis,
        connect_snapshots(redis_url) as snapshot_reads,
        connect_hints(redis_url) as hints,
        connect_leases(redis_url, prefix, time.time) as leases,
        aclosing(ReadModel(redis, Keys(prefix))) as read_model,
    ):
        limits = RateLimits(terms.rates_per_s, leases, time.time)
        admission = Admission(Authentication(api_keys, time.time, tokens), limits)
        following = Following(read_model, hints, poll_every_s=poll_every_s)
        running = [asyncio.create_task(each) for each in (following.run(), leases.watch())]
        app = create_application(
            Sources(read_model, snapshot_reads, following),
            admission,
            time.time,
            terms=terms,
        )
        yield app, following
        for task in running:
            task.cancel()
        await asyncio.wait(running)


class QueryClient(httpx.AsyncClient):
    """A client of a service in this process, whose followed files can be looked at."""

    following: Following


@asynccontextmanager
async def running_query(
    redis_url: str,
    *,
    prefix: str,
    api_keys: ApiKeys,
    tokens: Tokens | None = None,
    terms: Terms = DEFAULT_TERMS,
    poll_every_s: float = POLL_EVERY_S,
) -> AsyncIterator[QueryClient]:
    async with application(
        redis_url,
        prefix=prefix,
        api_keys=api_keys,
        tokens=tokens,
        terms=terms,
        poll_every_s=poll_every_s,
    ) as (app, following):
        listener = bind("127.0.0.1", 0)
        server = Server(app, following.end)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with QueryClient(base_url=address, timeout=10) as client:
            client.following = following
            yield client
        server.should_exit = True
        await serving


def particular_headers(response: httpx.Response) -> dict[str, str]:
    """The headers but for those that every answer has."""
    common = {"date", "x-content-type-options"}
    assert common <= {*response.headers}
    return {
        name: value
        for name, value in response.headers.items()
        if name not in common and "ratelimit" not in name
    }
