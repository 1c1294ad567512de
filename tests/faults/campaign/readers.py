"""Readers that watch all the time: the newest files often, the old ones now and then."""

import asyncio
import random

import httpx

from tests.faults.reader import Reader

READERS = 10
PAUSE_S = 0.03
NEWEST = 48
"""Files that are at work now, or unheard of."""
LOOK_BACK = 0.2
"""Share of the questions that are about any file ever watched."""


class RollingReaders(Reader):
    """Some users at once, for as long as the load goes on."""

    unanswered = 0
    """Questions that got no answer at all."""

    async def run(self) -> None:
        await asyncio.gather(*(self._read(random.Random(n)) for n in range(READERS)))  # noqa: S311  spreads questions

    async def _read(self, lot: random.Random) -> None:
        while not self._stopping.is_set():
            files = [*self._load.files]
            newest = files if lot.random() < LOOK_BACK else files[-NEWEST:]
            try:
                await self._ask(lot.choice(newest))
            except httpx.TransportError:
                self.unanswered += 1
            await asyncio.sleep(PAUSE_S)
