import confluent_kafka
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from milepost_schemas.identity import file_key
from milepost_schemas.topics import murmur2, partition_of

identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", fullmatch=True)


@given(st.binary(max_size=300))
@settings(max_examples=500)
@example(b"")
@example(b"\xff" * 7)
def test_the_hash_is_aiokafkas(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == aiokafka_murmur2(key) & 0xFFFFFFFF


@given(st.binary(max_size=300), st.integers(1, 2**31 - 1))
@settings(max_examples=500)
@example(b"", 2**31 - 1)
@example(b"\xff" * 7, 2**31 - 1)
def test_the_partition_is_librdkafkas(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == confluent_kafka.murmur2(key, partitions)


@given(identifiers, identifiers, st.integers(1, 10_000))
def test_a_files_partition_is_the_one_that_producers_choose(
    store_id: str, file_id: str, partitions: int
) -> None:
    key = file_key(store_id, file_id).encode()

    assert partition_of(key, partitions) == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions
