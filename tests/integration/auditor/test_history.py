import asyncio
import itertools
import json

from milepost_schemas.codec import EncodedRecord, encode
from milepost_schemas.events import Event, StepProgressed
from milepost_schemas.topics import PARTITIONS, partition_of
from tests.fixtures.running_projector import World
from tests.fixtures.workload import Publishing
from tests.integration.auditor.audits import audit, life, partition_of_life


def of_another_organization() -> EncodedRecord:
    fact = StepProgressed(
        organization_id="org_b", store_id="vs_a", file_id="file_1", attempt=1, step="reading"
    )
    return encode(Event("b", "/tests/b", 1_750_000_000_000, fact))


def neighbour_of(name: str) -> str:
    """Another life in the same partition."""
    names = (f"n{number}" for number in itertools.count())
    return next(each for each in names if partition_of_life(each) == partition_of_life(name))


FOREIGN = EncodedRecord(b"vs_a/file_1", b"secret", [("ce_type", b"com.example.other")])


async def test_a_files_history_tells_what_became_of_each_of_its_events(world: World) -> None:
    publishing = Publishing(world.kafka.bootstrap_servers, world.events)
    for record in (*life("a"), *life(neighbour_of("a")), of_another_organization(), FOREIGN):
        publishing.publish(record)
    await asyncio.to_thread(publishing.flush)

    done = await asyncio.to_thread(audit, world, "history", "vs_a/file_1", "--json")
    table = await asyncio.to_thread(audit, world, "history", "vs_a/file_1")

    told = json.loads(done.stdout)
    events = told["events"]
    assert (done.returncode, table.returncode) == (0, 0)
    assert told["partition"] == partition_of(b"vs_a/file_1", PARTITIONS)
    assert [(event["became"], event["outcome"]) for event in events] == [
        ("applied", "log_line"),
        ("applied", "applied"),
        ("applied", "applied"),
        ("ignored", "unchanged"),
        ("dead_lettered", "wrong_organization"),
        ("skipped", "foreign"),
    ]
    assert events[1]["changes"] | {"started_at": None} == {
        "revision": [1, 2],
        "status": ["pending", "processing"],
        "progress_percent": [0, 10],
        "current_step": ["queued", "reading"],
        "started_at": None,
        "step reading": [None, "started"],
    }
    assert events[2]["changes"] == {"revision": [2, 3], "progress_percent": [10, 20]}
    assert (events[4]["time"], events[4]["source"]) == ("2025-06-15T15:06:40.000Z", "/tests/b")
    assert told["document"]["progress_percent"] == 20
    assert "secret" not in done.stdout
    assert "progress_percent 10 → 20" in table.stdout
    assert "wrong organization: the file belongs to another organization" in table.stdout


async def test_a_file_that_the_log_does_not_know_has_no_history(world: World) -> None:
    done = await asyncio.to_thread(audit, world, "history", "vs_a/file_1")

    assert done.returncode == 1
    assert "no event of vs_a/file_1" in done.stdout


def test_a_name_that_no_file_can_have_is_refused(world: World) -> None:
    done = audit(world, "history", "file_1")

    assert (done.returncode, done.stdout) == (2, "")
    assert "not an identifier" in done.stderr
