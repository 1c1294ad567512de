"""What a running local stack says of itself to the commands that work with it."""

from pathlib import Path
from typing import TypeVar

import msgspec

from milepost.errors import MilepostError

Facts = TypeVar("Facts", bound=msgspec.Struct)


class NoTargetError(MilepostError):
    """Neither a local stack nor the environment says where to work."""


def read_stack(data: Path, facts: type[Facts]) -> Facts | None:
    """What the `stack.json` of a folder says, as far as it is asked for; None where none runs.

    Raises:
        NoTargetError: there is one that cannot be read.
    """
    path = data / "stack.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=facts)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise NoTargetError(f"cannot read {path}: {error}") from error
