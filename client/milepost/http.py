"""The HTTP clients: where the processing of a file stands."""

import asyncio
import time
from types import TracebackType
from typing import Self

import httpx

from milepost.status_requests import (
    Answer,
    Conversation,
    Get,
    Pace,
    Pause,
    T,
    ask,
    status_path,
    wait,
)
from milepost_schemas.http import ProcessingStatus


class Milepost:
    """A client of the query service. Close it, or use it as a context manager.

    Args:
        base_url: Where the service is: `https://milepost.example`.
        api_key: The key, `ak_…`.
        timeout_s: Longest wait for one answer, in seconds.
        transport: Replaces the network, as in httpx.
    """

    knowledge: "Knowledge"
    """The files of knowledge stores."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout_s: float = 10,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers=_headers(api_key), transport=transport
        )
        self.knowledge = Knowledge(self._client, Pace(timeout_s=timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Knowledge:
    """The files of knowledge stores."""

    def __init__(self, client: httpx.Client, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    def get_processing_status(
        self, *, organization_id: str, store_id: str, file_id: str
    ) -> ProcessingStatus:
        """Where the processing of a file stands now.

        A service that is not ready, too busy or not reachable is asked again, at most twice.

        Raises:
            InvalidIdentifierError: an id that nothing can have.
            NotFoundError: there is no such file in that store.
            ApiError: any other error that the service answers, by type and code.
            UnreachableError: no answer.
            UnexpectedAnswerError: an answer that is not the service's.
        """
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return self._carry_out(ask(path, self._pace))

    def wait_until_processed(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> ProcessingStatus:
        """Wait until the file is completed or failed, and return that status.

        Raises:
            WaitTimeoutError: neither within `timeout_s` seconds; carries the last status.
            NotFoundError: there is no such file in that store.
            ApiError: any other error that a pause does not help.
            InvalidIdentifierError: an id that nothing can have.
            UnexpectedAnswerError: an answer that is not the service's.
        """
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return self._carry_out(wait(path, timeout_s, self._pace))

    def _carry_out(self, conversation: Conversation[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Pause(seconds):
                    time.sleep(seconds)
                    answer = None
                case Get(path, headers, timeout_s):
                    answer = self._get(path, headers, timeout_s)

    def _get(self, path: str, headers: dict[str, str], timeout_s: float) -> Answer:
        try:
            return self._client.get(path, headers=headers, timeout=timeout_s)
        except httpx.RequestError as error:
            return error


class AsyncMilepost:
    """As `Milepost`, for asyncio."""

    knowledge: "AsyncKnowledge"
    """The files of knowledge stores."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout_s: float = 10,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url, headers=_headers(api_key), transport=transport
        )
        self.knowledge = AsyncKnowledge(self._client, Pace(timeout_s=timeout_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class AsyncKnowledge:
    """As `Knowledge`, for asyncio."""

    def __init__(self, client: httpx.AsyncClient, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    async def get_processing_status(
        self, *, organization_id: str, store_id: str, file_id: str
    ) -> ProcessingStatus:
        """As `Knowledge.get_processing_status`."""
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return await self._carry_out(ask(path, self._pace))

    async def wait_until_processed(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> ProcessingStatus:
        """As `Knowledge.wait_until_processed`."""
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return await self._carry_out(wait(path, timeout_s, self._pace))

    async def _carry_out(self, conversation: Conversation[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                    answer = None
                case Get(path, headers, timeout_s):
                    answer = await self._get(path, headers, timeout_s)

    async def _get(self, path: str, headers: dict[str, str], timeout_s: float) -> Answer:
        try:
            return await self._client.get(path, headers=headers, timeout=timeout_s)
        except httpx.RequestError as error:
            return error


def _headers(api_key: str) -> dict[str, str]:
    return {"X-API-Key": api_key, "Accept": "application/json"}
