"""The HTTP clients: where the processing of a file stands."""

import re
from types import TracebackType
from typing import Final, Self

import httpx

from milepost.async_knowledge import AsyncKnowledge
from milepost.conversations import Pace
from milepost.errors import InvalidApiKeyError
from milepost.knowledge import Knowledge

_KEY: Final = re.compile(r"[!-~]+")
"""What a header can carry without quoting: visible ASCII."""


class Milepost:
    """A client of the query service. Close it, or use it as a context manager.

    Args:
        base_url: Where the service is: `https://milepost.example`.
        api_key: The key, `ak_…`.
        timeout_s: Longest wait for one answer, in seconds.
        transport: Replaces the network, as in httpx.

    Raises:
        InvalidApiKeyError: the key has characters that no key has.
    """

    knowledge: Knowledge
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


class AsyncMilepost:
    """As `Milepost`, for asyncio."""

    knowledge: AsyncKnowledge
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


def _headers(api_key: str) -> dict[str, str]:
    if _KEY.fullmatch(api_key) is None:
        # The key would be in the text of the error that httpx raises.
        raise InvalidApiKeyError
    return {"X-API-Key": api_key, "Accept": "application/json"}
