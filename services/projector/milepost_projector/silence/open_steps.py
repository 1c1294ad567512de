"""The files of a partition that have an open step, and when to look at each of them."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

from milepost_projector.silence.verdicts import allowed_silence_s
from milepost_schemas.document import Document

RECHECK_MS: Final = 1_000
"""A file that is due is due again after this time, unless something else is said of it."""
SPARE: Final = 1_000
"""Outdated dates that are put up with before they are cleared away."""


@dataclass(slots=True)
class OpenFile:
    """What is remembered of a file with an open step: some 400 bytes with key and dates."""

    signed_at_ms: int
    """Its last sign of life, by the broker's clock."""
    heard_at_ms: int
    """When this owner knew of that sign, by the monotonic clock."""
    allowed_ms: int
    look_at_ms: int

    @property
    def due_at_ms(self) -> int:
        return self.heard_at_ms + self.allowed_ms


class OpenSteps:
    """Keeps a date for each file; a sign of life costs no new one, since dates are checked late.

    A look costs as much as there are dates that have passed, however many files there are.
    """

    def __init__(self, stalled_after_s: float) -> None:
        self._stalled_after_s = stalled_after_s
        self._files: dict[bytes, OpenFile] = {}
        self._dates: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._files)

    def get(self, key: bytes) -> OpenFile | None:
        return self._files.get(key)

    def note(self, key: bytes, document: Document, now_ms: int) -> None:
        """Take in what a file has come to."""
        allowed_s = allowed_silence_s(document, self._stalled_after_s)
        if allowed_s is None:
            self._files.pop(key, None)
            return
        allowed_ms = int(allowed_s * 1000)
        signed_at_ms = document.signed_at_ms
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = OpenFile(signed_at_ms, now_ms, allowed_ms, 0)
            self._enter(key, file, file.due_at_ms)
            return
        if signed_at_ms != file.signed_at_ms:
            file.signed_at_ms = signed_at_ms
            file.heard_at_ms = now_ms
        file.allowed_ms = allowed_ms
        if file.due_at_ms < file.look_at_ms:
            self._enter(key, file, file.due_at_ms)

    def due(self, now_ms: int, limit: int) -> list[bytes]:
        """The files that have said nothing for as long as they may; each again after a while."""
        found: list[bytes] = []
        dates = self._dates
        while dates and dates[0][0] <= now_ms and len(found) < limit:
            at_ms, key = heappop(dates)
            file = self._files.get(key)
            if file is None or file.look_at_ms != at_ms:
                continue
            if file.due_at_ms > now_ms:
                self._enter(key, file, file.due_at_ms)
            else:
                found.append(key)
                self._enter(key, file, now_ms + RECHECK_MS)
        return found

    def look_again(self, key: bytes, at_ms: int) -> None:
        """Put the next look off; a sign of life brings it forward where need be."""
        file = self._files.get(key)
        if file is not None and at_ms > file.look_at_ms:
            self._enter(key, file, at_ms)

    def _enter(self, key: bytes, file: OpenFile, at_ms: int) -> None:
        file.look_at_ms = at_ms
        heappush(self._dates, (at_ms, key))
        if len(self._dates) > 2 * len(self._files) + SPARE:
            self._dates[:] = [(file.look_at_ms, key) for key, file in self._files.items()]
            heapify(self._dates)
