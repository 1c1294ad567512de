"""How the process handles memory: it makes and drops small objects by the million."""

import ctypes
import gc
from typing import Final

_M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""

_ARENAS: Final = 2
_NEW_OBJECTS: Final = 500_000


def settle_memory() -> None:
    """Call it before there are threads."""
    # Records and documents are no cycles; frequent collections would only walk them.
    gc.set_threshold(_NEW_OBJECTS, 20, 100)
    # glibc gives threads heaps of their own, which librdkafka's dozens of threads leave half empty.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
