"""Lists while something happens between their reads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from milepost_local.servers import Server
from milepost_primaries.snapshot_reads import Group, Snapshot, SnapshotReads
from milepost_query.connections import connect, connect_snapshots
from milepost_query.lists.file_lists import FileLists, Window
from milepost_query.lists.newest import StoreFiles
from milepost_query.read_model import ReadModel
from milepost_query.shared_reads import NotReadyError
from milepost_query.snapshots import Snapshots
from milepost_schemas.http import FileList
from milepost_schemas.keys import Keys
from tests.integration.query.files import STARTED, STORE, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import ORGANIZATION

OF_THE_STORE = StoreFiles(ORGANIZATION, STORE)
Happening = Callable[[], Awaitable[object]]


class Interrupted(SnapshotReads):
    """Lets something happen after the first read of an index."""

    def __init__(self, reads: SnapshotReads, happening: Happening) -> None:
        self._reads = reads
        self._happening: Happening | None = happening

    async def read(self, groups: Sequence[Group], *, last: str) -> Snapshot:
        snapshot = await self._reads.read(groups, last=last)
        is_index = any(command[0] == "ZCARD" for group in groups for command in group)
        if is_index and self._happening is not None:
            happening, self._happening = self._happening, None
            await happening()
        return snapshot

    async def values(self, groups: Sequence[Sequence[str]], *, last: str) -> Snapshot:
        return await self._reads.values(groups, last=last)


@asynccontextmanager
async def lists_of(
    server: Server, prefix: str, happening: Happening, *, turn_within_s: float = 60
) -> AsyncIterator[FileLists]:
    async with connect(server.address) as redis, connect_snapshots(server.address) as reads:
        snapshots = Snapshots(ReadModel(redis, Keys(prefix)), Interrupted(reads, happening))
        yield FileLists(snapshots, turn_within_s=turn_within_s)


async def test_a_page_that_a_file_has_left_meanwhile_is_read_again(
    redis_server: Server, projected: ProjectedFiles
) -> None:
    files = [processing(file_id=f"file_{number}", created_at=number) for number in range(3)]
    await projected.put(*files)
    deleted = processing(file_id="file_2", created_at=2, deleted_at=STARTED)

    async with lists_of(redis_server, projected.prefix, lambda: projected.put(deleted)) as lists:
        page = await lists.page(OF_THE_STORE, Window(0, 2))

    shown = FileList.model_validate_json(page.body)
    assert [item.file_id for item in shown.items] == ["file_1", "file_0"]
    assert shown.total == 2


async def test_a_page_is_never_of_two_generations(
    redis_server: Server, projected: ProjectedFiles
) -> None:
    await projected.put(processing(created_at=1))
    rebuilt = ProjectedFiles(redis_server.address, projected.prefix, generation=2, partitions=3)

    async with lists_of(redis_server, projected.prefix, rebuilt.begin) as lists:
        with pytest.raises(NotReadyError, match="the generation changes"):
            await lists.page(OF_THE_STORE, Window(0, 2))
        await rebuilt.put(processing(created_at=1, file_id="file_rebuilt"))
        page = await lists.page(OF_THE_STORE, Window(0, 2))

    shown = FileList.model_validate_json(page.body)
    assert [item.file_id for item in shown.items] == ["file_rebuilt"]
    await rebuilt.aclose()


async def test_deep_reads_wait_for_each_other_but_nobody_else_does(
    redis_server: Server, projected: ProjectedFiles
) -> None:
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        held.set()
        await go_on.wait()

    async with lists_of(redis_server, projected.prefix, hold, turn_within_s=0.05) as lists:
        first = asyncio.create_task(lists.search(OF_THE_STORE, Window(0, 2), "a"))
        await held.wait()

        with pytest.raises(NotReadyError, match="others search"):
            await lists.search(OF_THE_STORE, Window(0, 2), "a")
        with pytest.raises(NotReadyError, match="others search"):
            await lists.page(OF_THE_STORE, Window(9_000, 2))
        shallow = await lists.page(OF_THE_STORE, Window(0, 2))
        go_on.set()
        await first
        again = await lists.search(OF_THE_STORE, Window(0, 2), "a")

    assert shallow.body == again.body
