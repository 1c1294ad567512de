"""What a type checker sees of the client's public names; mypy reads this, nothing runs it."""

from datetime import datetime
from typing import assert_type

from milepost import (
    AsyncMilepost,
    AsyncReporter,
    Change,
    DeletedFile,
    FileDocument,
    KafkaSettings,
    Milepost,
    Publisher,
    Reporter,
    subscribe,
)
from milepost.file_report import AsyncFileReport
from milepost.publisher import Position
from milepost.step import AsyncStep
from milepost.sync_reporter import FileReport, Step
from milepost.testing import FakeMilepost, FakeReporter, MemoryLog
from milepost_schemas.codec import EncodedRecord
from milepost_schemas.http import FileDetails, ProcessingStatus


def reporting(connection: KafkaSettings) -> None:
    with Reporter(connection, source="stage") as reporter:
        assert_type(reporter, Reporter)
        with reporter.file(organization_id="org_1", store_id="vs_1", file_id="file_1") as file:
            assert_type(file, FileReport)
            with file.step("embedding", total_units=120, plan={"embedding": 1}) as step:
                assert_type(step, Step)
                assert_type(step.advance(1), None)
            assert_type(file.completed(chunk_count=1), Position)
            file.log("fatal", "x")  # type: ignore[arg-type]
    Reporter(connection)  # type: ignore[call-arg]


async def reporting_with_asyncio(connection: KafkaSettings) -> None:
    async with AsyncReporter(connection, source="stage") as reporter:
        file = reporter.file(organization_id="org_1", store_id="vs_1", file_id="file_1")
        assert_type(file, AsyncFileReport)
        async with file.step("embedding") as step:
            assert_type(step, AsyncStep)
        assert_type(await file.completed(), Position)


async def publishing(connection: KafkaSettings, record: EncodedRecord) -> None:
    async with Publisher(connection) as publisher:
        assert_type(await publisher.publish(record), Position)
        assert_type(await publisher.publish((None, None, [("h", None)]), "topic"), Position)


def asking() -> None:
    client = Milepost(base_url="http://localhost:8080", api_key="ak_1")
    ids = {"organization_id": "org_1", "store_id": "vs_1", "file_id": "file_1"}
    status = client.knowledge.get_processing_status(**ids)
    assert_type(status, ProcessingStatus)
    assert_type(status.progress_percent, int)
    client.knowledge.get_processing_status("org_1", "vs_1", "file_1")  # type: ignore[call-arg]


def asking_for_more() -> None:
    client = Milepost(base_url="http://localhost:8080", api_key="ak_1")
    store = {"organization_id": "org_1", "store_id": "vs_1"}
    for status in client.knowledge.watch(**store, file_id="file_1", timeout_s=60):
        assert_type(status, ProcessingStatus)
    statuses = client.knowledge.get_processing_statuses(**store, file_ids=["file_1"])
    assert_type(statuses, dict[str, ProcessingStatus | None])
    page = client.knowledge.list_files(
        organization_id="org_1", store_id="vs_1", status="failed", limit=100
    )
    assert_type(page.items[0].size, int | None)
    assert_type(client.knowledge.get_file(**store, file_id="file_1"), FileDetails)
    assert_type(client.knowledge.get_file_logs(**store, file_id="file_1").logs[0].message, str)
    assert_type(client.knowledge.get_usage(organization_id="org_1").stores[0].file_count, int)
    client.knowledge.list_files(**store, status="done")  # type: ignore[arg-type]


async def watching_with_asyncio() -> None:
    async with AsyncMilepost(base_url="http://localhost:8080", api_key="ak_1") as client:
        ids = {"organization_id": "org_1", "store_id": "vs_1", "file_id": "file_1"}
        async for status in client.knowledge.watch(**ids, timeout_s=60):
            assert_type(status, ProcessingStatus)


async def asking_with_asyncio() -> None:
    async with AsyncMilepost(base_url="http://localhost:8080", api_key="ak_1") as client:
        status = await client.knowledge.wait_until_processed(
            organization_id="org_1", store_id="vs_1", file_id="file_1", timeout_s=60
        )
        assert_type(status, ProcessingStatus)


def fakes_stand_in_for_the_real_ones() -> tuple[Reporter, Milepost]:
    log = MemoryLog()
    return FakeReporter(log), FakeMilepost(log, organization_id="org_1")


async def subscribing(connection: KafkaSettings) -> None:
    changes = subscribe(connection, group_id="mine")
    async for change in changes:
        assert_type(change, Change)
        assert_type(change.version, tuple[int, int])
        match change.document:
            case DeletedFile() as marker:
                assert_type(marker.deleted_at, datetime)
            case document:
                assert_type(document, FileDocument)
    subscribe(connection, group="mine")  # type: ignore[call-arg]
