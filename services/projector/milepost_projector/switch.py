"""What a live projector makes of a switch to another generation.

A rebuild announces the switch in the metadata, closes the checkpoints of the live generation, and
names the new one in the metadata. A rebuild that dies in between must not stop the projection, so
whoever waits too long for the new metadata takes the announcement back, and the rebuild, should it
wake, finds that it has lost. Only then are the checkpoints opened again.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

from milepost_projector.read_model import RedisReadModel
from milepost_schemas.meta import Meta

PATIENCE_S: Final = 5.0

log = structlog.get_logger()


class SwitchWatch:
    """Says whether partitions may be opened; takes back a switch that has stood still too long."""

    def __init__(
        self,
        read_model: RedisReadModel,
        *,
        patience_s: float = PATIENCE_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_model = read_model
        self._patience_s = patience_s
        self._clock_s = clock_s
        self._seen = ""
        self._since_s = 0.0

    async def is_under_way(self) -> bool:
        """Whether to wait with opening; asked again and again, it comes to an end."""
        stored, meta = await self._meta()
        if not meta.switch:
            return False
        if meta.switch != self._seen:
            self._seen, self._since_s = meta.switch, self._clock_s()
        elif self._clock_s() - self._since_s >= self._patience_s:
            await self._take_back(stored, meta)
        return True

    async def is_dead(self, switch: str, generation: int) -> bool:
        """Whether a switch can no longer succeed; ask after reading a checkpoint that it closed.

        It was announced before it closed anything. So if it is not in the metadata now, it never
        will be again, and whether it has succeeded shows in the generation.
        """
        _, meta = await self._meta()
        return meta.generation == generation and meta.switch != switch

    async def _take_back(self, stored: bytes, meta: Meta) -> None:
        before = Meta(
            meta.generation, meta.partitions, meta.model_version, meta.highest, meta.building
        )
        if await self._read_model.swap(self._key, stored, before.encode()) == before.encode():
            log.warning("switch_taken_back", generation=meta.generation, switch=meta.switch)

    async def _meta(self) -> tuple[bytes, Meta]:
        stored = await self._read_model.stored_meta()
        return stored, Meta.decode(stored)

    @property
    def _key(self) -> str:
        return self._read_model.keys.meta
