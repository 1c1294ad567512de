"""What a Kafka or Redis server is to its users, wherever it comes from."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from milepost_local.errors import LocalStackError, ServerFailedError
from milepost_local.process import Process

Probe = Callable[[], Awaitable[bool]]
"""Answers whether the server does its work now; never raises for one that does not."""

_PROBE_EVERY_S = 0.05


class Server(Protocol):
    """A Kafka or Redis server; `start` returns once it answers."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class OwnServer(Server, Protocol):
    """A server that this process started: it can be killed, and starts again where it was.

    Data, port and address stay the same over any number of starts.
    """

    @property
    def log(self) -> Path: ...

    @property
    def pid(self) -> int | None: ...

    async def wait(self) -> int: ...

    def kill(self) -> None: ...


async def await_answer(server: OwnServer, is_ready: Probe, *, within_s: float) -> None:
    """Waits until a server that was just started answers.

    Raises:
        ServerFailedError: It ended, or did not answer within `within_s`.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    while not await is_ready():
        if server.pid is None:
            raise ServerFailedError(server.name, "ended before it was ready", server.log)
        if clock() > deadline:
            reason = f"did not answer within {within_s:g} s"
            raise ServerFailedError(server.name, reason, server.log)
        await asyncio.sleep(_PROBE_EVERY_S)


class NativeServer:
    """A server as a child process."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        log: Path,
        prepare: Callable[[], Sequence[str]],
        is_ready: Probe,
    ) -> None:
        """`prepare` lays out the data directory and returns the command; it runs in a thread."""
        self.name = name
        self.address = address
        self.log = log
        self._prepare = prepare
        self._is_ready = is_ready
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self, *, within_s: float = 60.0) -> None:
        """Starts the server and waits until it answers.

        Raises:
            ServerFailedError: It ended, or did not answer within `within_s`.
        """
        command = await asyncio.to_thread(self._prepare)
        process = self._process = Process(self.name, command, log=self.log)
        process.launch()
        try:
            await await_answer(self, self._is_ready, within_s=within_s)
        except BaseException:
            process.kill()
            raise

    async def wait(self) -> int:
        """Waits until the process ends; returns its exit code, negative for a signal."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._process.wait()

    async def stop(self, *, within_s: float = 20.0) -> None:
        """Ends the server in order, or by force when it has not ended after `within_s`."""
        if self._process:
            await self._process.stop(within_s=within_s)

    def kill(self) -> None:
        """Ends the server as a power cut would: SIGKILL. `start` brings it back."""
        if self._process:
            self._process.kill()


class ExternalServer:
    """A server that somebody else runs; it is never started and never stopped from here."""

    def __init__(self, name: str, address: str, *, is_ready: Probe) -> None:
        self.name = name
        self.address = address
        self._is_ready = is_ready

    async def start(self, *, within_s: float = 10.0) -> None:
        """Waits until the server answers.

        Raises:
            LocalStackError: It does not answer within `within_s`.
        """
        try:
            async with asyncio.timeout(within_s):
                while not await self._is_ready():  # noqa: ASYNC110  nobody here could set an event
                    await asyncio.sleep(_PROBE_EVERY_S)
        except TimeoutError as error:
            raise LocalStackError(
                f"No {self.name} answers at {self.address} after {within_s:g} s; "
                "start it, or unset the address to have one started here"
            ) from error

    async def stop(self) -> None:
        """Leaves the server running."""
