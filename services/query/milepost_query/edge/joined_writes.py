"""One write for an answer's head and body: uvicorn makes two, and each is a system call."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HAS_A_LENGTH = b"\r\ncontent-length: "
"""In the head of what is no stream: its body follows at once, or there is none."""


class JoinedWrites(asyncio.Transport):
    """Holds a head that has a length back for what is written next."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held: bytes | None = None

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
        if held is not None:
            self._held = None
            self._transport.write(held + data)
        elif _HAS_A_LENGTH in data:
            self._held = data
        else:
            self._transport.write(data)

    def release(self) -> None:
        """Write what is held back."""
        if self._held is not None:
            held, self._held = self._held, None
            self._transport.write(held)

    def close(self) -> None:
        self.release()
        self._transport.close()


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's own, on a transport that joins its writes."""

    _joined: JoinedWrites

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joined = JoinedWrites(transport)
        super().connection_made(self._joined)

    def on_response_complete(self) -> None:
        # Answers to HEAD have a length and no body.
        self._joined.release()
        super().on_response_complete()
