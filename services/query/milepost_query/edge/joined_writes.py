"""One write for an answer's head and body: uvicorn makes two, and each is a system call."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoinedWrites(asyncio.Transport):
    """Holds a write back for the one that follows it at once, if any does."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._held: bytes | None = None
        self._sending: asyncio.Handle

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  asyncio's own
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def write(self, data: Any) -> None:  # noqa: ANN401  whatever is bytes in the end
        held = self._held
        if held is None:
            self._held = data
            self._sending = self._call_soon(self._send)
            return
        self._held = None
        self._sending.cancel()
        self._transport.write(held + data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held is not None:
            self._sending.cancel()
            held, self._held = self._held, None
            self._transport.write(held)


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's own, on a transport that joins its writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoinedWrites(transport))
