"""The query service over a log in memory, behind an httpx transport instead of a socket."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

import httpx

from milepost.fake_holds import Held, Stream
from milepost.fake_routes import FakeRoutes
from milepost.memory_log import MemoryLog

HEARTBEAT_EVERY_S = 15
_HEARTBEAT = b":\n\n"
_STREAM = "/stream"


class FakeService:
    """Answers as the query service does to a key of one organization, late answers included."""

    def __init__(self, log: MemoryLog, organization_id: str) -> None:
        self._log = log
        self._routes = FakeRoutes(log, organization_id)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer, as soon as it is what the request waits for."""
        if request.url.path.endswith(_STREAM):
            stream = Stream(self._routes, request)
            return stream.response(_Body(self._chunks(stream)))
        held, news = Held(self._routes, request), threading.Event()
        with self._log.watched(news.set):
            while not held.is_over():
                news.wait(held.left_s)
                news.clear()
        return held.response

    async def answer_async(self, request: httpx.Request) -> httpx.Response:
        """As `answer`, without blocking the event loop."""
        if request.url.path.endswith(_STREAM):
            stream = Stream(self._routes, request)
            return stream.response(_AsyncBody(self._chunks_async(stream)))
        held, news = Held(self._routes, request), asyncio.Event()
        loop = asyncio.get_running_loop()
        # Reporters publish from threads of their own.
        with self._log.watched(lambda: loop.call_soon_threadsafe(news.set)):
            while not held.is_over():
                await _wait(news, held.left_s)
                news.clear()
        return held.response

    def _chunks(self, stream: Stream) -> Generator[bytes, None, None]:
        news = threading.Event()
        with self._log.watched(news.set):
            while (chunk := stream.take()) or not stream.is_over:
                if chunk:
                    yield chunk
                elif news.wait(HEARTBEAT_EVERY_S):
                    news.clear()
                else:
                    yield _HEARTBEAT

    async def _chunks_async(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._log.watched(lambda: loop.call_soon_threadsafe(news.set)):
            while (chunk := stream.take()) or not stream.is_over:
                if chunk:
                    yield chunk
                elif await _wait(news, HEARTBEAT_EVERY_S):
                    news.clear()
                else:
                    yield _HEARTBEAT


class _Body(httpx.SyncByteStream):
    """A body that comes bit by bit, and ends when its reader closes it."""

    def __init__(self, chunks: Generator[bytes, None, None]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()


class _AsyncBody(httpx.AsyncByteStream):
    """As `_Body`, for asyncio."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        await self._chunks.aclose()


async def _wait(news: asyncio.Event, seconds: float) -> bool:
    """Whether there was news in time."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True
