"""Follows the files that somebody waits for: each is read once for all who do."""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

import structlog

from milepost_query.addresses import FileAddress
from milepost_query.freshness import Freshness
from milepost_query.layout import Layout, Location
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import Finding, NotReadyError
from milepost_query.status import Status
from milepost_query.waits.hints import Hints
from milepost_query.waits.subscription import Listener
from milepost_schemas.identity import file_key

POLL_EVERY_S: Final = 1.0
"""Each file is read at least that often, whatever hints are lost."""
TURNS: Final = 20
"""Parts of a poll: one after the other, so that no read is large."""
FILES_A_READ: Final = 500
LOST_AFTER_S: Final = 5.0
"""A failover takes less; whoever has to say something of the file gives up then."""

_log = structlog.get_logger()


class FollowedFile:
    """A file as it was read last, and who is to be woken when that has changed."""

    __slots__ = (
        "_layout",
        "_location",
        "_unread_since",
        "address",
        "freshness",
        "is_gone",
        "is_lost",
        "key",
        "status",
        "turn",
        "wake_ups",
    )

    def __init__(self, address: FileAddress, turn: int) -> None:
        self.address = address
        self.turn = turn
        self.key = file_key(address.store_id, address.file_id).encode()
        self.wake_ups: dict[asyncio.Event, None] = {}
        self.status: Status | None = None
        """None until it has been read, and when it is gone."""
        self.freshness: Freshness | None = None
        self.is_gone = False
        """Not there, deleted or unreadable: to be asked for as if nobody followed it."""
        self.is_lost = False
        """For some time now it could not be read."""
        self._unread_since: float | None = None
        self._layout: Layout | None = None
        self._location: Location | None = None

    @property
    def hints(self) -> str | None:
        """The channel of its hints, once its place is known."""
        return self._location.hints if self._location else None

    def location_in(self, layout: Layout) -> Location:
        """Its place, remembered for as long as there is no other layout."""
        if self._location is None or self._layout is not layout:
            self._layout, self._location = layout, layout.locate(self.address)
        return self._location

    def take(self, finding: Finding) -> None:
        """Takes in what was read."""
        try:
            status = finding.status()
        except NotReadyError:
            self.miss()
            return
        except ValueError:
            # Whoever asks for it gets the error; the other files are none the worse for it.
            status = None
        self._unread_since, self.is_lost = None, False
        if status is not None and status.is_deleted:
            status = None
        before, was_gone = self.status, self.is_gone
        self.status, self.freshness, self.is_gone = status, finding.freshness, status is None
        if self.is_gone != was_gone or _is_changed(before, status):
            self.wake()

    def miss(self) -> None:
        """Takes in that it cannot be read now."""
        now = monotonic()
        if self._unread_since is None:
            self._unread_since = now
        elif not self.is_lost and now - self._unread_since > LOST_AFTER_S:
            self.is_lost = True
            self.wake()

    def wake(self) -> None:
        for wake_up in self.wake_ups:
            wake_up.set()


def _is_changed(before: Status | None, after: Status | None) -> bool:
    """A sign of life alone changes what is stored, but nothing that anybody waits for."""
    return before is not after and (before is None or after is None or before.etag != after.etag)


class Following:
    """Reads the followed files when a hint names them, and once a second in any case.

    A wake-up comes when a file has changed, and when the service ends; it says no more than "look".
    """

    def __init__(
        self, read_model: ReadModel, hints: Hints, *, poll_every_s: float = POLL_EVERY_S
    ) -> None:
        self.is_ending = False
        self._read_model = read_model
        self._hints = hints
        self._poll_every_s = poll_every_s
        self._files: dict[FileAddress, FollowedFile] = {}
        self._by_key: dict[bytes, dict[FollowedFile, None]] = {}
        self._turns: list[dict[FollowedFile, None]] = [{} for _ in range(TURNS)]
        self._next_turn = itertools.cycle(range(TURNS))
        self._unread: dict[FollowedFile, None] = {}
        self._is_anything_unread = asyncio.Event()

    @contextmanager
    def follow(
        self, addresses: Iterable[FileAddress], wake_up: asyncio.Event
    ) -> Iterator[list[FollowedFile]]:
        """Has the files read on; the first time at once."""
        files = [self._files.get(address) or self._add(address) for address in addresses]
        for file in files:
            file.wake_ups[wake_up] = None
        try:
            yield files
        finally:
            for file in files:
                file.wake_ups.pop(wake_up, None)
                if not file.wake_ups:
                    self._remove(file)

    async def run(self) -> None:
        """Reads until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hints.run(Listener(self._hear, self._look_again)))
            tasks.create_task(self._poll())
            while True:
                await self._is_anything_unread.wait()
                await self._read(self._take_unread())

    def end(self) -> None:
        """Lets everybody who waits know that the service ends."""
        self.is_ending = True
        for file in self._files.values():
            file.wake()

    def _add(self, address: FileAddress) -> FollowedFile:
        file = FollowedFile(address, next(self._next_turn))
        self._files[address] = file
        self._by_key.setdefault(file.key, {})[file] = None
        self._turns[file.turn][file] = None
        self._look_at((file,))
        return file

    def _remove(self, file: FollowedFile) -> None:
        if self._files.pop(file.address, None) is None:
            return
        alike = self._by_key[file.key]
        del alike[file]
        if not alike:
            del self._by_key[file.key]
        del self._turns[file.turn][file]
        self._unread.pop(file, None)

    def _look_at(self, files: Iterable[FollowedFile]) -> None:
        self._unread.update(dict.fromkeys(files))
        if self._unread:
            self._is_anything_unread.set()

    def _hear(self, file_keys: bytes) -> None:
        for key in file_keys.split(b" "):
            if files := self._by_key.get(key):
                self._look_at(files)

    def _look_again(self, channel: str) -> None:
        self._look_at([file for file in self._files.values() if file.hints == channel])

    async def _poll(self) -> None:
        for number in itertools.cycle(range(TURNS)):
            await asyncio.sleep(self._poll_every_s / TURNS)
            self._look_at(self._turns[number])
            if number == 0:
                self._hints.want(self._channels(self._files.values()))

    def _take_unread(self) -> list[FollowedFile]:
        files = list(itertools.islice(self._unread, FILES_A_READ))
        for file in files:
            del self._unread[file]
        if not self._unread:
            self._is_anything_unread.clear()
        return files

    async def _read(self, files: Sequence[FollowedFile]) -> None:
        try:
            findings = await self._read_model.read_each(
                lambda layout: [file.location_in(layout) for file in files]
            )
        except NotReadyError:
            for file in files:
                file.miss()
            return
        for file, finding in zip(files, findings, strict=True):
            file.take(finding)
        self._hints.want(
            self._hints.wanted | self._channels(file for file in files if file.wake_ups)
        )

    def _channels(self, files: Iterable[FollowedFile]) -> set[str]:
        return {file.hints for file in files if file.hints is not None}
