"""On which terms requests are answered."""

from dataclasses import dataclass, field
from typing import Final

from milepost_query.access_log import Wanted
from milepost_query.file_config import Limits


@dataclass(frozen=True)
class Terms:
    """What whoever runs the service decides about those who ask it."""

    file_limits: Limits = field(default_factory=Limits)
    """What they are told of files that are too large."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask; `*` alone for every one."""
    access_log: Wanted = "few"
    """Which requests get a line in the log."""


DEFAULT_TERMS: Final = Terms()
