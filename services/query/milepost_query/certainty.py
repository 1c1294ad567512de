"""A file's status, or its absence once that is certain."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final

from milepost_query.addresses import FileAddress
from milepost_query.freshness import Freshness, Partition, combined
from milepost_query.layout import Layout
from milepost_query.problems import FILE_NOT_IN_STORE, READ_MODEL_NOT_READY, ProblemError
from milepost_query.read_model import ReadModel
from milepost_query.status import Headers, Status

KNOWN_WITHIN_S: Final = 2.0
"""Longest wait until the absence of a file is certain."""

READ_AGAIN_AFTER_S: Final = 0.025


@dataclass(slots=True)
class Statuses:
    """What is said of several files."""

    of: dict[FileAddress, Status | None]
    """None for a file that is certain not to be there."""
    seen: dict[Partition, Freshness]
    """Of each partition what was seen first."""

    @property
    def freshness_headers(self) -> Headers:
        return combined([*self.seen.values()]).headers if self.seen else ()


class Certainty:
    """Reads statuses; says that there is no such file only when it is known."""

    def __init__(self, read_model: ReadModel, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970; readers and projectors must agree on it."""
        self._read_model = read_model
        self._clock = clock

    async def read(self, address: FileAddress) -> tuple[Status, Freshness]:
        """The status of a file that is there.

        Raises:
            ProblemError: 404 `FILE_NOT_IN_STORE`, or 503 if that could not be made certain.
            NotReadyError: The read model cannot be answered from.
        """
        status, freshness = await self._read_model.read(address)
        if status is None:
            status, freshness = await self._read_on(address)
        # A deleted file stays deleted: its absence is known whatever as-of says.
        if status.is_deleted:
            raise not_in_store(address)
        return status, freshness

    async def read_each(self, addresses: Sequence[FileAddress]) -> Statuses:
        """What is certain of each file.

        One round trip, and more of them only for files that were not found.

        Raises:
            ProblemError: 503 if the absence of one could not be made certain.
            NotReadyError: The read model, or the partition of one, cannot be answered from.
        """
        now_ms = self._now_ms()
        give_up_at = monotonic() + KNOWN_WITHIN_S
        statuses = Statuses({}, {})
        unknown = addresses
        while True:
            locate = partial(Layout.locate_each, addresses=unknown)
            findings = await self._read_model.read_each(locate)
            for address, finding in zip(unknown, findings, strict=True):
                status = finding.status()
                if status is not None or self._is_certain(finding.freshness, now_ms):
                    is_there = status is not None and not status.is_deleted
                    statuses.of[address] = status if is_there else None
                    statuses.seen.setdefault(finding.location.partition, finding.freshness)
            unknown = [address for address in unknown if address not in statuses.of]
            if not unknown:
                return statuses
            if monotonic() > give_up_at:
                raise ProblemError(READ_MODEL_NOT_READY)
            await asyncio.sleep(READ_AGAIN_AFTER_S)

    async def _read_on(self, address: FileAddress) -> tuple[Status, Freshness]:
        """Reads until the file is there or certain to be absent."""
        now_ms = self._now_ms()
        give_up_at = monotonic() + KNOWN_WITHIN_S
        while monotonic() < give_up_at:
            await asyncio.sleep(READ_AGAIN_AFTER_S)
            status, freshness = await self._read_model.read(address)
            if status is not None:
                return status, freshness
            if self._is_certain(freshness, now_ms):
                raise not_in_store(address)
        raise ProblemError(READ_MODEL_NOT_READY)

    def _is_certain(self, freshness: Freshness, now_ms: int) -> bool:
        """Whether a file that was not found is absent; `now_ms` is later than the arrival.

        As-of and absence are of one read: once as-of is later than that, what the log held when
        the request arrived has been taken in. An as-of that is still to come is of a clock that
        is wrong.
        """
        return now_ms < freshness.as_of_ms <= self._now_ms()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def not_in_store(address: FileAddress) -> ProblemError:
    """The 404 for a file that the caller's organization does not have in that store."""
    details = {"file_id": address.file_id, "store_id": address.store_id}
    return ProblemError(FILE_NOT_IN_STORE, details)
