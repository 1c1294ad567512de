"""A reader of server-sent events, as far as the stream of a status needs one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from milepost_schemas.document import Document, render_status
from tests.integration.query.files import PATH

STREAM = f"{PATH}/stream"
READ_WITHIN_S = 60


class Event(NamedTuple):
    """One block of the stream: fields by name, comments under none."""

    fields: dict[str, str]

    @property
    def version(self) -> str:
        return self.fields["id"]

    def is_status_of(self, document: Document, generation: int = 1) -> bool:
        return self.fields == {
            "event": "status",
            "id": f"{generation}.{document.revision}",
            "data": render_status(document).decode(),
        }


class Stream:
    """What a server sends, block by block."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event | None:
        """The next block, None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(READ_WITHIN_S):
            async for line in self._lines:
                if not line:
                    return Event(fields)
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
        assert not fields, "the stream ends inside of a block"
        return None

    async def status(self) -> Event:
        event = await self.next()
        assert event is not None
        return event


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, last_event_id: str | None = None, *, key: str = "ak_reader"
) -> AsyncIterator[Stream]:
    headers = {"X-API-Key": key}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with client.stream("GET", STREAM, headers=headers, timeout=READ_WITHIN_S) as response:
        yield Stream(response)
