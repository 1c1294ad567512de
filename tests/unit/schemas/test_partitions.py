import pytest

from milepost_schemas.identity import file_key
from milepost_schemas.topics import PARTITIONS, TOPICS, murmur2, partition_of

# The first six are the values in the tests of Kafka's own Java client.
GOLDEN_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
    b"": 275646681,
}

GOLDEN_PARTITIONS = {
    ("vs_1", "file_1"): 3,
    ("vs_1", "file_2"): 8,
    ("vs_abc123", "file_abc123def456"): 4,
    ("s", "f"): 4,
}


@pytest.mark.parametrize(("key", "value"), GOLDEN_HASHES.items())
def test_the_hash_is_the_java_clients(key: bytes, value: int) -> None:
    assert murmur2(key) == value


@pytest.mark.parametrize(("file", "partition"), GOLDEN_PARTITIONS.items())
def test_a_files_partition_is_part_of_the_contract(file: tuple[str, str], partition: int) -> None:
    assert partition_of(file_key(*file).encode(), 12) == partition


def test_a_negative_hash_has_a_partition() -> None:
    assert partition_of(b"21", 12) == (-973932308 & 0x7FFFFFFF) % 12


def test_all_topics_have_the_same_number_of_partitions() -> None:
    assert {topic.partitions for topic in TOPICS} == {PARTITIONS}
