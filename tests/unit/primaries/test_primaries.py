import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from milepost_primaries.primaries import Primaries
from milepost_primaries.url import RedisUrl


async def test_who_asks_after_the_end_gets_no_client() -> None:
    url = RedisUrl.parse("redis://127.0.0.1:1")
    primaries = Primaries(url, Redis.from_url, answers_within_s=1)
    await primaries.of("key")
    await primaries.aclose()

    with pytest.raises(RedisConnectionError):
        await primaries.of("key")
