"""Carries conversations with the query service out over httpx."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

import httpx

from milepost.conversations import Answer, Conversation, Open, Pause, Read, Request, Step, T, Tell
from milepost_schemas.http import ProcessingStatus


class Exchange:
    """Carries out one conversation; holds at most one stream, while it is read."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._stream: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def carry_out(self, conversation: Conversation[T]) -> T:
        """What the conversation comes to."""
        answer: Answer = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self._do(step)

    def listen(self, conversation: Conversation[None]) -> Generator[ProcessingStatus, None, None]:
        """What the conversation tells, as it comes."""
        answer: Answer = None
        try:
            while True:
                try:
                    step = conversation.send(answer)
                except StopIteration:
                    return
                answer = None
                if isinstance(step, Tell):
                    yield step.status
                else:
                    answer = self._do(step)
        finally:
            self._close()

    def _do(self, step: Step) -> Answer:
        try:
            match step:
                case Read():
                    return next(self._chunks, b"")
                case Open(request):
                    return self._open(request)
                case Request():
                    return self._client.send(_build(self._client, step))
                case Pause(seconds):
                    self._close()
                    time.sleep(seconds)
        except httpx.RequestError as error:
            return error
        return None

    def _open(self, request: Request) -> httpx.Response:
        self._close()
        self._stream = self._client.send(_build(self._client, request), stream=True)
        if not self._stream.is_success:
            self._stream.read()
        self._chunks = self._stream.iter_bytes()
        return self._stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None


class AsyncExchange:
    """As `Exchange`, for asyncio."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._stream: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def carry_out(self, conversation: Conversation[T]) -> T:
        """As `Exchange.carry_out`."""
        answer: Answer = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self._do(step)

    async def listen(
        self, conversation: Conversation[None]
    ) -> AsyncGenerator[ProcessingStatus, None]:
        """As `Exchange.listen`; close it if you leave it early."""
        answer: Answer = None
        try:
            while True:
                try:
                    step = conversation.send(answer)
                except StopIteration:
                    return
                answer = None
                if isinstance(step, Tell):
                    yield step.status
                else:
                    answer = await self._do(step)
        finally:
            await self._close()

    async def _do(self, step: Step) -> Answer:
        try:
            match step:
                case Read():
                    return b"" if self._chunks is None else await anext(self._chunks, b"")
                case Open(request):
                    return await self._open(request)
                case Request():
                    return await self._client.send(_build(self._client, step))
                case Pause(seconds):
                    await self._close()
                    await asyncio.sleep(seconds)
        except httpx.RequestError as error:
            return error
        return None

    async def _open(self, request: Request) -> httpx.Response:
        await self._close()
        self._stream = await self._client.send(_build(self._client, request), stream=True)
        if not self._stream.is_success:
            await self._stream.aread()
        self._chunks = self._stream.aiter_bytes()
        return self._stream

    async def _close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
        self._stream = None


def _build(client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    return client.build_request(
        request.method,
        request.path,
        headers=dict(request.headers),
        params=request.params,
        json=request.body,
        timeout=request.timeout,
    )
