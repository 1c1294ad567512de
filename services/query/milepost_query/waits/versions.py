"""Which of two states of a file is the newer one, by what ETags and stream ids say."""

from typing import Final

Version = tuple[int, int]
"""Generation and revision, compared as a pair."""

OLDEST: Final[Version] = (0, 0)
"""Older than any version of a file."""


def parse_version(text: bytes) -> Version | None:
    """The version that `<generation>.<revision>` names, None if it is anything else."""
    generation, _, revision = text.partition(b".")
    if not (generation.isdigit() and revision.isdigit()) or len(text) > 40:
        return None
    return int(generation), int(revision)


def newest_version(if_none_match: bytes) -> Version:
    """The newest version among the ETags of a condition, `OLDEST` if there is none."""
    tags = (tag.strip().removeprefix(b"W/").strip(b'"') for tag in if_none_match.split(b","))
    return max((version for tag in tags if (version := parse_version(tag))), default=OLDEST)
