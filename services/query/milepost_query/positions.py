"""Reads after a write: a reader that says where its event stands is answered from behind it."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final

from milepost_query.problems import READ_MODEL_NOT_READY, VALIDATION_ERROR, ProblemError
from milepost_query.read_model import ReadModel
from milepost_schemas.position import HEADER, LOG_VERSION, Position

REACHED_WITHIN_S: Final = 2.0
READ_AGAIN_AFTER_S: Final = 0.025

_HEADER: Final = HEADER.lower().encode()


class Positions:
    """Waits until the read model has passed a position."""

    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model

    async def reach_sent(self, headers: Mapping[bytes, bytes]) -> None:
        """As `reach`, if the request names a position; `headers` by lower-case name."""
        if (sent := headers.get(_HEADER)) is not None:
            await self.reach(sent.decode("latin-1"))

    async def reach(self, sent: str) -> None:
        """Returns once every read from now on is of the position or later.

        A position in an older log has been passed: its successor began with all that it held.

        Raises:
            ProblemError: 422 if there is no such position, 503 if it was not reached in time.
            NotReadyError: The read model cannot be answered from.
        """
        position = _decode(sent)
        if position.version < LOG_VERSION:
            return
        give_up_at = monotonic() + REACHED_WITHIN_S
        while position.version == LOG_VERSION and monotonic() < give_up_at:
            freshness = await self._read_model.read_checkpoint(position.partition)
            if freshness is None:
                raise _invalid("the log has no such partition")
            if position.offset < freshness.next_offset:
                return
            await asyncio.sleep(READ_AGAIN_AFTER_S)
        raise ProblemError(READ_MODEL_NOT_READY)


def _decode(sent: str) -> Position:
    try:
        return Position.decode(sent)
    except ValueError as error:
        raise _invalid(str(error)) from error


def _invalid(reason: str) -> ProblemError:
    place = {"loc": ["header", HEADER], "msg": reason, "type": "position"}
    return ProblemError(VALIDATION_ERROR, {"errors": [place]})
