from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from milepost_primaries.primaries import slot_of


@given(st.text(alphabet="{}abé:", max_size=12))
def test_slots_are_those_of_redis_cluster(key: str) -> None:
    assert slot_of(key) == key_slot(key.encode())


def test_keys_of_a_partition_share_their_slot() -> None:
    assert slot_of("mp:{g1.p7}:c") == slot_of("mp:{g1.p7}:") == slot_of("mp:{g1.p7}:f:vs_1/{a}")
