import msgspec
import pytest

from milepost_schemas.checkpoint import Checkpoint, fingerprint
from milepost_schemas.document import render_status
from milepost_schemas.events import FileDeleted, StepStarted
from milepost_schemas.keys import Keys
from milepost_schemas.meta import Building, Meta
from milepost_schemas.record import StatusRecord, decode_record, encode_record, split_status
from tests.unit.schemas.file_log import FileLog, fact


def test_a_reader_of_statuses_finds_them_in_front() -> None:
    log = FileLog()
    log.append(fact(StepStarted, step="two\nlines", total_units=3))

    value = encode_record(log.document)

    assert split_status(value) == StatusRecord(b"org_1", b"1", b"1", render_status(log.document))
    assert decode_record(value) == log.document


def test_a_deleted_file_has_no_status() -> None:
    log = FileLog()
    log.append_all(fact(StepStarted, attempt=2, step="a"), fact(FileDeleted))

    value = encode_record(log.document)

    assert split_status(value) == StatusRecord(b"org_1", b"2", b"2", b"")
    assert decode_record(value) == log.document


@pytest.mark.parametrize("value", [b"", b"org_1 1 1\n{}", b"org_1 1 1\n{}\n", b"a\nb\n\xc1"])
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, IndexError)):
        decode_record(value)


def test_a_checkpoint_is_one_line() -> None:
    checkpoint = Checkpoint(7, 1_749_981_605_250, 9, 8, "6:0123456789abcdef")

    assert checkpoint.encode() == b"7 1749981605250 9 8 6:0123456789abcdef"
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


def test_a_checkpoint_says_how_far_behind_it_is() -> None:
    assert Checkpoint(7, end_offset=9).lag == 2
    assert Checkpoint(9, end_offset=7).lag == 0


def test_a_partition_recovers_until_the_given_offset_is_reached() -> None:
    assert Checkpoint(7, recover_to=8).is_recovering
    assert not Checkpoint(8, recover_to=8).is_recovering


@pytest.mark.parametrize("value", [b"", b"1 2 3 4", b"1 2 3 4 5 6 7", b"1 2 3 x -"])
def test_what_is_no_checkpoint_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Checkpoint.decode(value)


def test_a_fingerprint_tells_records_apart() -> None:
    records = [(b"k", b"v"), (b"kv", b""), (b"", b"kv"), (None, b"kv2"), (b"k", b"w")]
    marks = {fingerprint(3, 1000, key, value) for key, value in records}

    assert len(marks) == len(records)
    assert all(mark.startswith("3:") for mark in marks)
    assert fingerprint(3, 1001, b"k", b"v") not in marks


def test_a_checkpoint_is_five_words_until_it_is_closed() -> None:
    checkpoint = Checkpoint(7, 1000, 9, 0, "6:00ff")

    assert checkpoint.encode() == b"7 1000 9 0 6:00ff"
    assert checkpoint._replace(closed_by="s1").encode() == b"7 1000 9 0 6:00ff s1"
    assert Checkpoint.decode(b"7 1000 9 0 6:00ff").closed_by == ""


def test_a_number_that_was_given_once_is_never_the_next() -> None:
    assert Meta(2, 12, 1).next_generation == 3
    assert Meta(2, 12, 1, highest=5).next_generation == 6
    given_up = Meta(2, 12, 1, 5, Building(5, 12, 1, "owner"), "a-switch").without_building()
    assert given_up == Meta(2, 12, 1, highest=5)


def test_the_metadata_is_readable_json() -> None:
    meta = Meta(generation=2, partitions=12, model_version=1)

    assert meta.encode() == b'{"generation":2,"partitions":12,"model_version":1}'
    assert Meta.decode(meta.encode()) == meta


def test_all_keys_of_a_partition_carry_its_tag() -> None:
    keys = Keys("test")
    of_one = keys.partition(3, 7)

    assert keys.meta == "test:meta"
    assert of_one.file("vs_1/file_1") == "test:{g3.p7}:f:vs_1/file_1"
    names = [
        of_one.checkpoint,
        of_one.hints,
        of_one.open_files,
        of_one.file("a/b"),
        of_one.log("a/b"),
        of_one.files("o", "s"),
        of_one.files_by_status("o", "s", "failed"),
        of_one.usage("o"),
    ]
    assert all(name.startswith("test:{g3.p7}:") for name in names)
    assert len(set(names)) == len(names)
