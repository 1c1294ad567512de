import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from confluent_kafka import murmur2

from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from milepost_schemas.topics import PARTITIONS
from tests.faults.stand import ORGANIZATIONS, Stand
from tests.fixtures.running_projector import caught_up
from tests.fixtures.waiting import until
from tests.fixtures.workload import Publishing

FILES = 8 * PARTITIONS
"""Enough for each partition to have some."""


@pytest.fixture
async def admin(stand: Stand) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=stand.kafka.address)
    await client.start()
    yield client
    await client.close()


def progressed(number: int, percent: int) -> EncodedRecord:
    fact = StepProgressed(
        organization_id=ORGANIZATIONS[0],
        store_id="vs_1",
        file_id=f"file_{number}",
        attempt=1,
        step="reading",
        progress_percent=percent,
    )
    return encode(Event(f"{number}-{percent}", "/tests", None, fact))


async def publish(stand: Stand, percents: Iterable[int], files: range) -> dict[int, int]:
    """Progress of each file; where the partitions end then."""
    publishing = Publishing(stand.kafka.address, stand.world.events)
    for percent in percents:
        for number in files:
            publishing.publish(progressed(number, percent))
    await asyncio.to_thread(publishing.flush)
    return publishing.ends


async def answer(stand: Stand, client: httpx.AsyncClient, number: int) -> httpx.Response:
    owner = ORGANIZATIONS[0]
    return await client.get(
        f"/v1/organizations/{owner}/stores/vs_1/files/file_{number}/status",
        headers={"X-API-Key": stand.api_keys[owner]},
    )


async def answers(stand: Stand, client: httpx.AsyncClient, files: range) -> list[object]:
    """The percentages of the files, or the status codes where there is none."""
    found = await asyncio.gather(*(answer(stand, client, number) for number in files))
    return [
        each.json()["progress_percent"] if each.is_success else each.status_code for each in found
    ]


async def revisions(stand: Stand, files: range) -> Counter[int]:
    """By partition, how many revisions its files have: one for each event that was applied."""
    made: Counter[int] = Counter()
    async with stand.world.redis() as redis:
        for number in files:
            key = f"vs_1/file_{number}"
            partition = murmur2(key.encode(), PARTITIONS)
            value = await redis.get(Keys(stand.world.name).partition(1, partition).file(key))
            made[partition] += decode_record(value).revision
    return made


async def test_records_that_retention_took_away_unread_are_counted_and_gone_on_behind(
    stand: Stand, admin: AIOKafkaAdminClient
) -> None:
    files = range(FILES)
    stand.launch()
    async with stand.client() as client:
        applied = await publish(stand, [10], files)
        await caught_up(stand.world, applied)
        stand.send(signal.SIGSTOP)
        published = await publish(stand, [20, 30, 40], files)
        kept_from = {number: end - 1 for number, end in published.items()}
        await admin.delete_records(
            {
                TopicPartition(stand.world.events, number): RecordsToDelete(before_offset=offset)
                for number, offset in kept_from.items()
            }
        )
        stand.send(signal.SIGCONT)

        await caught_up(stand.world, published)
        told = {each["partition"]: each["records"] for each in stand.logged("records_missing")}
        # A fetch that was under way when it froze brings what had come in by then. Every record
        # that made no revision is missing, and no other.
        made = await revisions(stand, files)
        missing = {number: end - made[number] for number, end in published.items()}
        assert told == {number: records for number, records in missing.items() if records}
        assert told
        assert {10, 40} <= {*await answers(stand, client, files)} <= {10, 20, 30, 40}

        await caught_up(stand.world, await publish(stand, [50], files))
        assert set(await answers(stand, client, files)) == {50}


async def recreate(stand: Stand, admin: AIOKafkaAdminClient) -> None:
    """Put another log in the place of the one that was projected."""
    await admin.delete_topics([stand.world.events])
    async with asyncio.timeout(60):
        while stand.world.events in await admin.list_topics():  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.05)
    await stand.world.create()


async def test_another_log_under_the_same_name_stops_the_partitions_and_is_told(
    stand: Stand, admin: AIOKafkaAdminClient
) -> None:
    files, others = range(FILES), range(FILES, 2 * FILES)
    stand.launch()
    async with stand.client() as client:
        ends = await publish(stand, [10, 20], files)
        await caught_up(stand.world, ends)
        await stand.projector.stop()
        await recreate(stand, admin)
        await publish(stand, [60, 70, 80, 90], others)

        stand.projector.launch()
        await until(lambda: {each["partition"] for each in stand.logged("wrong_log")} == {*ends})
        assert await answers(stand, client, files) == [20] * FILES
        assert {*await answers(stand, client, others)} == {503}
        assert stand.projector.pid is not None


@pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "unnoticed"])
async def test_a_log_that_is_replaced_under_a_running_projector_is_never_mixed_in(
    stand: Stand, admin: AIOKafkaAdminClient, *, is_noticed: bool
) -> None:
    """A projector that sleeps meanwhile finds a longer log, and its client reads on in that."""
    files, others = range(FILES), range(FILES, 2 * FILES)
    stand.launch()
    async with stand.client() as client:
        ends = await publish(stand, [10, 20], files)
        await caught_up(stand.world, ends)
        if not is_noticed:
            stand.send(signal.SIGSTOP)
        await recreate(stand, admin)
        await publish(stand, [60, 70, 80, 90], files)
        await publish(stand, [60], others)
        stand.send(signal.SIGCONT)

        await until(
            lambda: {each["partition"] for each in stand.logged("wrong_log")} == {*ends},
            within_s=60,
        )
        assert await answers(stand, client, files) == [20] * FILES
        assert {*await answers(stand, client, others)} == {503}
        assert {number: at for number, (at, _) in (await stand.positions()).items()} == ends
        assert stand.projector.pid is not None
