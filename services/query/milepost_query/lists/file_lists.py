"""Pages of a store's files, newest first, and searches in the names of the newest."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Final, NamedTuple
from unicodedata import normalize

from milepost_query.freshness import Freshness
from milepost_query.layout import Layout
from milepost_query.lists.newest import Entry, Newest, StoreFiles, read_newest
from milepost_query.renderings import file_item, file_list
from milepost_query.shared_reads import NotReadyError
from milepost_query.snapshots import Snapshots
from milepost_schemas.document import Document, Status
from milepost_schemas.identity import file_key
from milepost_schemas.record import decode_record

SEARCHED: Final = 10_000
"""The newest files, whose names a search looks at."""

_DEEP: Final = 1_000
"""Entries from which on a read takes milliseconds of this process."""
TURN_WITHIN_S: Final = 2.0
"""Longest wait for the deep reads before one's own."""
_SLICE: Final = 500
"""Documents that are read and decoded in one go; others have their turn in between."""
_TRIES: Final = 3
_REMEMBERED_ITEMS: Final = 4_096
_LARGEST_REMEMBERED: Final = 4_096
"""Bytes; documents with many steps and long texts are read anew each time."""


class Window(NamedTuple):
    """The part of a list that a page shows."""

    skip: int
    limit: int


class Page(NamedTuple):
    """The body of a page, and what there is to know about it."""

    body: bytes
    freshness: Freshness
    is_truncated: bool = False
    """Whether there are older files, which the search has not looked at."""


class _Listed(NamedTuple):
    """What a list shows of a file, and what tells whether it belongs there, as in the document."""

    organization_id: str
    status: Status
    is_deleted: bool
    item: bytes


class FileLists:
    """Reads the indexes, then the documents that they name.

    Documents are newer than indexes by the time between the two reads. A file that its document
    shows to have left the list meanwhile is not shown in it.
    """

    def __init__(self, snapshots: Snapshots, *, turn_within_s: float = TURN_WITHIN_S) -> None:
        self._snapshots = snapshots
        self._turn_within_s = turn_within_s
        self._deep = asyncio.Semaphore(1)

    async def page(self, files: StoreFiles, window: Window) -> Page:
        """A page of all files; read again if files leave it meanwhile, at last left short.

        Raises:
            NotReadyError: a partition is not answered from.
        """
        if window.skip + window.limit < _DEEP:
            return await self._page(files, window)
        async with self._turn():
            return await self._page(files, window)

    async def search(self, files: StoreFiles, window: Window, text: str) -> Page:
        """A page of the newest files that have `text` in their names, whatever the case.

        Raises:
            NotReadyError: a partition is not answered from, or others search for too long.
        """
        skip, limit = window
        folded, total, items = _folded(text), 0, []
        async with self._turn():
            newest = await read_newest(self._snapshots, files, SEARCHED)
            for start in range(0, len(newest.entries), _SLICE):
                wanted = newest.entries[start : start + _SLICE]
                for document in map(decode_record, await self._values(newest, files, wanted)):
                    if not _belongs(document, files) or folded not in _folded(document.name or ""):
                        continue
                    if skip <= total < skip + limit:
                        items.append(file_item(document))
                    total += 1
        body = file_list(items, total=total, skip=skip, limit=limit)
        return Page(body, newest.freshness, newest.total > SEARCHED)

    async def _page(self, files: StoreFiles, window: Window) -> Page:
        skip, limit = window
        for _ in range(_TRIES):
            newest = await read_newest(self._snapshots, files, skip + limit)
            wanted = newest.entries[skip:]
            values = await self._values(newest, files, wanted)
            listed = [each for each in map(_listed, values) if _belongs(each, files)]
            if len(listed) == len(wanted):
                break
        items = [each.item for each in listed]
        body = file_list(items, total=newest.total, skip=skip, limit=limit)
        return Page(body, newest.freshness)

    async def _values(
        self, newest: Newest, files: StoreFiles, wanted: Sequence[Entry]
    ) -> list[bytes]:
        """What is stored of those of the files that are there, in their order."""
        if not wanted:
            return []
        names: dict[int, list[str]] = defaultdict(list)
        for _, file_id, number in wanted:
            names[number].append(file_key(files.store_id, file_id.decode()))
        answer = await self._snapshots.values(partial(_keys, newest.layout, names))
        # Within a partition they come in the order that they were asked for.
        values = {number: iter(found) for number, found in answer.by_partition.items()}
        in_order = [next(values[number]) for _, _, number in wanted]
        return [value for value in in_order if value is not None]

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One deep read after the other: between their slices all other requests are answered."""
        try:
            async with asyncio.timeout(self._turn_within_s):
                await self._deep.acquire()
        except TimeoutError as error:
            raise NotReadyError("others search") from error
        try:
            yield
        finally:
            self._deep.release()


def _keys(
    named: Layout, names: Mapping[int, Sequence[str]], layout: Layout
) -> Mapping[int, Sequence[str]]:
    """Of the files, by the partitions of the layout that named them."""
    if layout is not named:
        raise NotReadyError("the generation changes")
    places = layout.places
    return {number: [*map(places[number].file, of)] for number, of in names.items()}


def _listed(value: bytes) -> _Listed:
    """What the value of a file's key amounts to; the same pages are asked for again and again."""
    return (_remembered if len(value) <= _LARGEST_REMEMBERED else _read)(value)


def _read(value: bytes) -> _Listed:
    document = decode_record(value)
    return _Listed(
        document.organization_id, document.status, document.is_deleted, file_item(document)
    )


_remembered = lru_cache(maxsize=_REMEMBERED_ITEMS)(_read)


def _belongs(file: _Listed | Document, files: StoreFiles) -> bool:
    return (
        file.organization_id == files.organization_id
        and not file.is_deleted
        and files.status in (None, file.status)
    )


def _folded(text: str) -> str:
    """The form in which names are compared: without case, accents composed."""
    return text.lower() if text.isascii() else normalize("NFC", text).casefold()
