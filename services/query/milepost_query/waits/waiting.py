"""Waits until there is something new to say about a file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Receive

from milepost_query.addresses import FileAddress
from milepost_query.certainty import Certainty
from milepost_query.freshness import Freshness
from milepost_query.status import Status
from milepost_query.waits.following import FollowedFile, Following
from milepost_query.waits.versions import Version, newest_version


@dataclass(slots=True)
class Follower:
    """One client that waits for one file."""

    file: FollowedFile
    _certainty: Certainty
    _wake_up: asyncio.Event
    _leaving: asyncio.Task[None]

    @property
    def is_client_gone(self) -> bool:
        """Whether the client has gone."""
        return self._leaving.done()

    async def news(self, seen: Version) -> tuple[Status, Freshness] | None:
        """The newest state, if it is newer than what was seen.

        The file may have been followed for others before, and have been seen by them only.

        Raises:
            ProblemError, NotReadyError: As `Certainty.read`: the file is not there any more.
        """
        file = self.file
        if file.is_gone:
            found = await self._certainty.read(file.address)
        elif file.status is None or file.freshness is None:
            return None
        else:
            found = file.status, file.freshness
        return found if found[0].version > seen else None

    async def woken(self) -> None:
        """Returns when there is a reason to look again."""
        await self._wake_up.wait()
        self._wake_up.clear()


class Waiting:
    """Answers late, but within the time that the client gave."""

    def __init__(self, certainty: Certainty, following: Following) -> None:
        self._certainty = certainty
        self._following = following

    @property
    def is_ending(self) -> bool:
        return self._following.is_ending

    @asynccontextmanager
    async def follower(self, address: FileAddress, receive: Receive) -> AsyncIterator[Follower]:
        """Follows the file until the block is left."""
        wake_up = asyncio.Event()
        with self._following.follow((address,), wake_up) as (file,):
            async with attended(receive, wake_up) as leaving:
                yield Follower(file, self._certainty, wake_up, leaving)

    async def read(
        self, address: FileAddress, if_none_match: bytes | None, *, wait_s: float, receive: Receive
    ) -> tuple[Status, Freshness]:
        """The status as soon as it is what the client waits for, else as it is at the deadline.

        With a condition the client waits for a newer revision, without one for the end of the
        attempt. It waits no longer when it has gone, nor when the service ends.

        Raises:
            ProblemError, NotReadyError: As `Certainty.read`.
        """
        is_enough = _what_is_enough(if_none_match)
        status, freshness = await self._certainty.read(address)
        if is_enough(status):
            return status, freshness
        async with self.follower(address, receive) as follower:
            try:
                async with asyncio.timeout(wait_s):
                    while not (follower.is_client_gone or self.is_ending):
                        news = await follower.news(status.version)
                        if news is not None and is_enough(news[0]):
                            return news
                        await follower.woken()
            except TimeoutError:
                pass
        return await self._certainty.read(address)


@asynccontextmanager
async def attended(receive: Receive, wake_up: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done once the client has gone, which wakes whoever waits for it."""
    leaving = asyncio.create_task(_until_gone(receive))
    leaving.add_done_callback(lambda _: wake_up.set())
    try:
        yield leaving
    finally:
        leaving.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _what_is_enough(if_none_match: bytes | None) -> Callable[[Status], bool]:
    if if_none_match is None:
        return lambda status: status.is_terminal
    condition, held = if_none_match, newest_version(if_none_match)
    return lambda status: status.version > held and not status.is_named_by(condition)
