from collections import Counter
from collections.abc import Sequence

from milepost_projector.partition import Partition, PartitionFold
from milepost_projector.slices import MAX_ARGUMENTS, Command, SliceWriter, Slot, indexed
from milepost_schemas.document import Document
from milepost_schemas.events import (
    EventData,
    FileDeleted,
    FileRegistered,
    ProcessingCompleted,
    ProcessingRequested,
)
from milepost_schemas.logs import decode_line
from tests.unit.projector.log import (
    BEGINNING,
    KEYS,
    PARTITIONS,
    START_MS,
    a_fold,
    documents,
    fact,
    file_name,
    folded,
    log,
    logged,
    progressed,
)

START_S = START_MS // 1000
FILES = KEYS.files("org_1", "vs_1")
PENDING = KEYS.files_by_status("org_1", "vs_1", "pending")
PROCESSING = KEYS.files_by_status("org_1", "vs_1", "processing")
COMPLETED = KEYS.files_by_status("org_1", "vs_1", "completed")
OPEN = KEYS.open_files
USAGE = KEYS.usage("org_1")


def registered(number: int = 1, size_bytes: int = 100) -> FileRegistered:
    return fact(FileRegistered, number, name="a.md", size_bytes=size_bytes, mime_type="text/plain")


def commands_of(*batches: Sequence[EventData]) -> list[Sequence[Command]]:
    """The commands of each batch's one slice; the batches follow each other in one log."""
    fold, offset, written = a_fold(), 0, []
    for number, batch in enumerate(batches):
        records = log(*batch, first=offset)
        offset += len(records)
        (only,) = folded(fold, records, offset, batch=number).slices
        written.append(only.commands)
    return written


def counts(commands: Sequence[Command]) -> dict[tuple[str | int, str | int], int]:
    """What the commands add to each counter."""
    total: Counter[tuple[str | int, str | int]] = Counter()
    for name, *rest in commands:
        if name == "COUNT":
            key, field, delta = rest
            total[key, field] += int(delta)
    return dict(total)


def changes(commands: Sequence[Command], name: str) -> list[Command]:
    return [rest for head, *rest in commands if head == name]


def test_a_new_file_is_listed_and_counted() -> None:
    (commands,) = commands_of([registered()])
    assert changes(commands, "ZADD") == [
        [FILES, START_S, "file_1"],
        [PENDING, START_S, "file_1"],
    ]
    assert changes(commands, "SADD") == [[OPEN, "vs_1/file_1"]]
    assert counts(commands) == {
        (USAGE, "vs_1/files"): 1,
        (USAGE, "vs_1/bytes"): 100,
        (USAGE, "vs_1/pending"): 1,
    }


def test_a_new_status_moves_the_file_between_lists() -> None:
    _, commands = commands_of([registered()], [progressed()])
    assert changes(commands, "ZADD") == [[PROCESSING, START_S, "file_1"]]
    assert changes(commands, "ZREM") == [[PENDING, "file_1"]]
    assert counts(commands) == {(USAGE, "vs_1/pending"): -1, (USAGE, "vs_1/processing"): 1}


def test_progress_alone_touches_no_list_and_no_counter() -> None:
    _, commands = commands_of([progressed(1, 10)], [progressed(1, 20)])
    assert [name for name, *_ in commands] == ["SPUBLISH"]


def test_within_a_slice_only_the_sum_of_changes_counts() -> None:
    (commands,) = commands_of([registered(), progressed(), fact(ProcessingCompleted)])
    assert changes(commands, "SREM") == [[OPEN, "vs_1/file_1"]]
    assert [name for name, *_ in changes(commands, "ZADD")] == [FILES, COMPLETED]
    assert counts(commands)[USAGE, "vs_1/completed"] == 1
    assert (USAGE, "vs_1/pending") not in counts(commands)


def test_files_that_change_places_leave_the_counter_alone() -> None:
    _, commands = commands_of(
        [registered(1), registered(2), progressed(2)],
        [
            progressed(1),
            fact(ProcessingCompleted, 2),
            fact(ProcessingRequested, 2, attempt=2, reason="retry"),
        ],
    )
    assert counts(commands) == {}


def test_a_registration_that_comes_late_counts_its_bytes() -> None:
    _, commands = commands_of([progressed()], [registered(1, size_bytes=7)])
    assert counts(commands) == {(USAGE, "vs_1/bytes"): 7}


def test_a_deleted_file_leaves_every_list_counter_and_log() -> None:
    _, commands = commands_of([registered(), progressed(), logged()], [fact(FileDeleted)])
    assert changes(commands, "SREM") == [[OPEN, "vs_1/file_1"]]
    assert changes(commands, "ZREM") == [[FILES, "file_1"], [PROCESSING, "file_1"]]
    assert changes(commands, "DEL") == [[KEYS.log("vs_1/file_1")]]
    assert counts(commands) == {
        (USAGE, "vs_1/files"): -1,
        (USAGE, "vs_1/bytes"): -100,
        (USAGE, "vs_1/processing"): -1,
    }


def test_a_file_that_comes_and_goes_within_a_slice_counts_nothing() -> None:
    (commands,) = commands_of([registered(), logged(), fact(FileDeleted)])
    assert counts(commands) == {}
    assert changes(commands, "ZADD") == []


def test_the_lines_of_a_slice_come_before_the_deletion_of_their_log() -> None:
    (commands,) = commands_of([registered(), logged(), fact(FileDeleted)])
    names = [name for name, *_ in commands]
    assert names.index("APPEND_LINE") < names.index("DEL")


def test_log_lines_are_appended_in_order_with_their_identity() -> None:
    (commands,) = commands_of([logged(1, "one"), logged(2, "other"), logged(1, "two")])
    lines = changes(commands, "APPEND_LINE")
    assert [key for key, *_ in lines] == [
        KEYS.log("vs_1/file_1"),
        KEYS.log("vs_1/file_2"),
        KEYS.log("vs_1/file_1"),
    ]
    decoded = [decode_line(str(line).encode()) for _, _, line in lines]
    assert [line.message for line in decoded] == ["one", "other", "two"]
    assert [line.identity for line in decoded] == [identity for _, identity, _ in lines]


def test_readers_are_woken_once_with_every_changed_file() -> None:
    (commands,) = commands_of([progressed(1), progressed(2), progressed(1, 5)])
    ((channel, hint),) = changes(commands, "SPUBLISH")
    assert channel == KEYS.hints
    assert sorted(str(hint).split()) == ["vs_1/file_1", "vs_1/file_2"]


def test_nobody_is_woken_for_a_generation_that_is_not_live() -> None:
    partition = Partition(0, 2, KEYS, is_live=False)
    fold = PartitionFold(partition, PARTITIONS, BEGINNING)
    fold.fold(log(progressed(1)))
    (slice_,) = fold.cut(1, 1).slices
    assert slice_.records
    assert changes(slice_.commands, "SPUBLISH") == []


def test_no_command_is_longer_than_lua_can_unpack() -> None:
    writer = SliceWriter(KEYS)
    for key, document in documents(range(2 * MAX_ARGUMENTS + 1)).items():
        writer.changed[key] = Slot(key, document, None)
    records, commands = writer.close()
    assert max(map(len, commands)) <= MAX_ARGUMENTS + 2
    names = [
        name for key, *rest in changes(commands, "ZADD") if key == FILES for name in rest[1::2]
    ]
    assert sorted(map(str, names)) == sorted(
        f"file_{number}" for number in range(2 * MAX_ARGUMENTS + 1)
    )
    assert len(records) == 2 * (2 * MAX_ARGUMENTS + 1)


def test_an_unknown_file_and_a_deleted_one_are_in_no_index() -> None:
    assert indexed(Document("org_1", "vs_1", "file_1")) is None
    assert indexed(Document("org_1", "vs_1", "file_1", revision=2, deleted_at=1)) is None


def test_a_file_without_a_size_counts_no_bytes() -> None:
    found = indexed(documents(range(1, 2))[file_name(1)])
    assert found is not None
    assert found.size_bytes == 0
