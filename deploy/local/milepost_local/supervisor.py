"""Keeps the processes of a stack running, and stops them in order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from milepost_local.backoff import Backoff
from milepost_local.errors import LocalStackError, ServerFailedError


class Part(Protocol):
    """A process of the stack, which can be started again after it ended."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None: ...

    async def wait(self) -> int: ...

    async def stop(self) -> None: ...


class Supervisor:
    """Starts parts, and starts again those that die; `supervise` makes one and ends it."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        announce: Callable[[str], None],
        changed: Callable[[Mapping[str, int]], None],
        give_up_after: int | None,
    ) -> None:
        self._tasks = tasks
        self._announce = announce
        self._changed = changed
        self._give_up_after = give_up_after
        self._parts: list[Part] = []
        self._watches: list[asyncio.Task[None]] = []

    def pids(self) -> dict[str, int]:
        """The process ids of the parts that run now, by name, in the order of their start."""
        return {part.name: pid for part in self._parts if (pid := part.pid) is not None}

    async def start(self, part: Part) -> None:
        """Starts a part, and keeps it running from then on.

        Raises:
            LocalStackError: This first start failed.
        """
        self._parts.append(part)
        await part.start()
        self._watches.append(self._tasks.create_task(self._keep_running(part)))

    async def stop(self) -> None:
        """Stops every part, the last started first: writers before what they write to."""
        for watch in self._watches:
            watch.cancel()
        async with AsyncExitStack() as stops:
            for part in self._parts:
                stops.push_async_callback(part.stop)

    async def _keep_running(self, part: Part) -> None:
        clock = asyncio.get_running_loop().time
        backoff = Backoff()
        while True:
            started_at = clock()
            code = await part.wait()
            await self._start_again(part, _ending(code), backoff, lived_s=clock() - started_at)

    async def _start_again(
        self, part: Part, reason: str, backoff: Backoff, *, lived_s: float
    ) -> None:
        while True:
            delay_s = backoff.after_death(lived_s)
            if self._give_up_after and backoff.deaths >= self._give_up_after:
                raise ServerFailedError(part.name, f"{reason}, {backoff.deaths} times", part.log)
            self._announce(f"{part.name} {reason}; it is started again in {delay_s:g} s")
            self._changed(self.pids())
            await asyncio.sleep(delay_s)
            try:
                await part.start()
            except LocalStackError as error:
                reason, lived_s = f"did not start ({error})", 0.0
            else:
                self._announce(f"{part.name} was started again")
                self._changed(self.pids())
                return


@asynccontextmanager
async def supervise(
    *,
    announce: Callable[[str], None],
    changed: Callable[[Mapping[str, int]], None],
    give_up_after: int | None = None,
) -> AsyncIterator[Supervisor]:
    """A supervisor that leaves no process behind when its context is left.

    Args:
        announce: Gets one line for each death and each new start.
        changed: Gets the process ids whenever one changed.
        give_up_after: This many deaths of a part in a row end the context; None never gives up.

    Raises:
        ExceptionGroup: Of a ServerFailedError, for a part that was given up.
    """
    async with asyncio.TaskGroup() as tasks:
        supervisor = Supervisor(
            tasks, announce=announce, changed=changed, give_up_after=give_up_after
        )
        try:
            yield supervisor
        finally:
            await supervisor.stop()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"
