import asyncio
import gc
import sys

import pytest

from milepost.connection import KafkaSettings
from milepost.publisher import Publisher
from milepost_local.servers import Server


async def test_a_publisher_that_closes_while_it_connects_leaks_no_connection(
    kafka: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()
    leaks: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", leaks.append)
    for milliseconds in range(40):
        async with Publisher(KafkaSettings(bootstrap_servers=kafka.address)):
            await asyncio.sleep(milliseconds / 1000)
    gc.collect()
    assert leaks == []
