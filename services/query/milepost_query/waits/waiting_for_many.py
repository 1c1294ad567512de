"""Waits until the attempts of any or of all of several files have ended."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from starlette.types import Receive

from milepost_query.addresses import FileAddress
from milepost_query.certainty import Certainty, Statuses
from milepost_query.status import Status
from milepost_query.waits.following import FollowedFile, Following
from milepost_query.waits.waiting import attended

Until = Literal["any", "all"]


class WaitingForMany:
    """Answers a batch late, but within the time that the client gave."""

    def __init__(self, certainty: Certainty, following: Following) -> None:
        self._certainty = certainty
        self._following = following

    async def read_each(
        self, addresses: Sequence[FileAddress], until: Until, *, wait_s: float, receive: Receive
    ) -> Statuses:
        """All statuses as soon as any or all of the files have ended, else at the deadline.

        A file that is not there has ended. The client waits no longer when it has gone, nor when
        the service ends.

        Raises:
            ProblemError, NotReadyError: As `Certainty.read_each`.
        """
        found = await self._certainty.read_each(addresses)
        running = {
            address: status
            for address, status in found.of.items()
            if status is not None and not status.is_terminal
        }
        if not running or (until == "any" and len(running) < len(found.of)):
            return found
        wake_up = asyncio.Event()
        with self._following.follow(running, wake_up) as files:
            async with attended(receive, wake_up) as leaving:
                try:
                    async with asyncio.timeout(wait_s):
                        while not (leaving.done() or self._following.is_ending):
                            ended = (_has_ended(file, running[file.address]) for file in files)
                            if any(ended) if until == "any" else all(ended):
                                break
                            await wake_up.wait()
                            wake_up.clear()
                except TimeoutError:
                    pass
        return await self._certainty.read_each(addresses)


def _has_ended(file: FollowedFile, seen: Status) -> bool:
    """Since it was seen: the file may have been followed for others before."""
    status = file.status
    if status is None:
        return file.is_gone
    return status.is_terminal and status.version > seen.version
