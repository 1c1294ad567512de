"""What becomes of a record: exactly one of four things."""

from typing import Final

from milepost_auditor.partition_fold import FOREIGN

_APPLIED: Final = frozenset({"applied", "sign_of_life", "log_line"})
_IGNORED: Final = frozenset(
    {"unchanged", "late_attempt", "after_terminal", "after_deletion", "late_verdict"}
)


def became_of(outcome: str) -> str:
    """`applied`, `ignored`, `skipped` or `dead_lettered`."""
    if outcome in _APPLIED:
        return "applied"
    if outcome in _IGNORED:
        return "ignored"
    return "skipped" if outcome == FOREIGN else "dead_lettered"
