from typing import Any

from milepost_auditor.indexes import Indexes
from milepost_auditor.partition_fold import PartitionFold
from milepost_schemas.events import FileDeleted, FileRegistered, ProcessingCompleted
from milepost_schemas.keys import Keys
from tests.unit.auditor.records import KEY, NUMBER, event, folded

KEYS = Keys("mp").partition(1, NUMBER)
FILE: dict[str, Any] = {
    "organization_id": "org_1",
    "store_id": "vs_1",
    "file_id": "file_1",
    "attempt": 1,
}
CREATED_AT = 1_750_000_000


def registered() -> PartitionFold:
    fact = FileRegistered(**FILE, name="a.md", size_bytes=7, mime_type="text/markdown")
    return folded(event(0, fact))


def indexed(fold: PartitionFold, indexes: Indexes) -> Indexes:
    indexes.update(KEY, fold.files[KEY])
    return indexes


def test_a_file_is_listed_counted_and_open() -> None:
    indexes = indexed(registered(), Indexes(KEYS))
    assert indexes.sets == {
        KEYS.files("org_1", "vs_1"): {b"file_1": CREATED_AT},
        KEYS.files_by_status("org_1", "vs_1", "pending"): {b"file_1": CREATED_AT},
    }
    assert indexes.counts == {
        KEYS.usage("org_1"): {b"vs_1/files": 1, b"vs_1/bytes": 7, b"vs_1/pending": 1}
    }
    assert indexes.open_files == {KEY}
    assert {*indexes.names()} == {*indexes.sets, *indexes.counts, KEYS.open_files}


def test_a_file_that_ends_moves_to_another_index_and_is_not_open_any_more() -> None:
    fold = registered()
    indexes = indexed(fold, Indexes(KEYS))
    fold.fold([event(1, ProcessingCompleted(**FILE))])
    indexed(fold, indexes)
    assert indexes.sets[KEYS.files_by_status("org_1", "vs_1", "pending")] == {}
    assert [*indexes.sets[KEYS.files_by_status("org_1", "vs_1", "completed")]] == [b"file_1"]
    assert indexes.counts[KEYS.usage("org_1")] == {
        b"vs_1/files": 1,
        b"vs_1/bytes": 7,
        b"vs_1/completed": 1,
    }
    assert indexes.open_files == set()
    assert indexes.newest_offset(KEYS.usage("org_1"), b"vs_1/files") == 1


def test_a_deleted_file_leaves_no_key_behind() -> None:
    fold = registered()
    indexes = indexed(fold, Indexes(KEYS))
    fold.fold([event(1, FileDeleted(**FILE))])
    indexed(fold, indexes)
    assert [*indexes.names()] == []
