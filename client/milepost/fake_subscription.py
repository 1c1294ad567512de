"""A subscription to a log that lives in memory."""

import asyncio
from collections.abc import AsyncGenerator

from milepost.change import Change
from milepost.connection import KafkaSettings
from milepost.memory_log import MemoryLog
from milepost.subscription import Subscription
from milepost_schemas.topics import STATUS


class FakeSubscription(Subscription):
    """Tells what the events in a memory log come to; it knows no groups."""

    def __init__(self, log: MemoryLog, *, live: bool = True) -> None:
        nowhere = KafkaSettings(bootstrap_servers="nowhere")
        super().__init__(nowhere, group_id=None, topic=STATUS.name, live=live)
        self._log = log

    async def __aiter__(self) -> AsyncGenerator[Change, None]:
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        told = len(self._log.changes)
        # Reporters publish from threads of their own.
        with self._log.watched(lambda: loop.call_soon_threadsafe(news.set)):
            for change in self._log.changes[:told]:
                yield change
            self.world_told.set()
            while self._live:
                news.clear()
                for change in self._log.changes[told:]:
                    told += 1
                    yield change
                await news.wait()
