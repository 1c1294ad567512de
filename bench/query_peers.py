"""What the status route is compared with, on the same server with the same settings.

`bare` is the least that uvicorn can do; `naive` is the route as one would first write it.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import APIKeyHeader
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from milepost_query.access.api_keys import ApiKeys
from milepost_query.access.credential import Credential
from milepost_query.server import UVICORN
from milepost_schemas.http import ProcessingStatus

STATUS_PATH = "/v1/organizations/{organization_id}/stores/{store_id}/files/{file_id}/status"
STATUSES_PATH = "/v1/organizations/{organization_id}/stores/{store_id}/files/status"


def naive_key(store_id: str, file_id: str) -> str:
    """The hash that the naive route reads."""
    return f"naive:{store_id}/{file_id}"


def bare(body: bytes) -> ASGIApp:
    """Answers everything with the body."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def naive(redis_url: str, api_keys_file: str) -> FastAPI:
    """A route with a response model, a dependency for the key, and one HGETALL a request."""
    app = FastAPI()
    redis = Redis.from_url(redis_url, decode_responses=True)
    api_keys = ApiKeys(Path(api_keys_file))
    header = APIKeyHeader(name="X-API-Key")

    async def caller(key: Annotated[str, Security(header)]) -> Credential:
        credential = api_keys.find(key.encode())
        if credential is None or credential.expires_at <= time.time():
            raise HTTPException(401)
        return credential

    @app.get(STATUS_PATH)
    async def status(
        organization_id: str,
        store_id: str,
        file_id: str,
        credential: Annotated[Credential, Depends(caller)],
    ) -> ProcessingStatus:
        if credential.organization_id != organization_id:
            raise HTTPException(403)
        fields = await redis.hgetall(naive_key(store_id, file_id))
        if not fields or fields.pop("organization_id") != organization_id:
            raise HTTPException(404)
        return ProcessingStatus.model_validate(
            {name: value or None for name, value in fields.items()}
        )

    return app


def main(peer: str, port: str, *arguments: str) -> None:
    """Serves the peer on the port."""
    app = bare(arguments[0].encode()) if peer == "bare" else naive(*arguments)
    uvicorn.run(app, port=int(port), loop="uvloop", **{**UVICORN, "http": "httptools"})


if __name__ == "__main__":
    main(*sys.argv[1:])
