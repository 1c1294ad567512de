"""The services of a stack as child processes, and how one sees that they are ready."""

import asyncio
import sys
from collections.abc import Mapping

import httpx

from milepost_local.data_directory import DataDirectory
from milepost_local.errors import ServerFailedError
from milepost_local.process import Process

_ASK_EVERY_S = 0.1


def service(name: str, directory: DataDirectory, environment: Mapping[str, str]) -> Process:
    """A service, started as `python -m milepost_NAME`; its variables lack the prefix MILEPOST_."""
    return Process(
        name,
        [sys.executable, "-m", f"milepost_{name}"],
        log=directory.log(name),
        environment={f"MILEPOST_{key}": value for key, value in environment.items()},
    )


async def await_ready(query_url: str, directory: DataDirectory, *, within_s: float = 60.0) -> None:
    """Waits until the query service can answer truthfully, which needs the projector too.

    Raises:
        ServerFailedError: It could not within `within_s`.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    async with httpx.AsyncClient(timeout=2.0) as client:
        while (answer := await _readiness(client, query_url)) != "ready":
            if clock() > deadline:
                reason = f"was not ready within {within_s:g} s ({answer})"
                logs = directory.log("query").with_name("{query,projector}.log")
                raise ServerFailedError("query", reason, logs)
            await asyncio.sleep(_ASK_EVERY_S)


async def _readiness(client: httpx.AsyncClient, query_url: str) -> str:
    try:
        answer = await client.get(f"{query_url}/readyz")
    except httpx.TransportError as error:
        return type(error).__name__
    return "ready" if answer.is_success else f"{answer.status_code} {answer.text}"
