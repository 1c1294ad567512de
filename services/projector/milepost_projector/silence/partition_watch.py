"""What the owner of a partition knows about the silence of its files."""

from collections.abc import Mapping
from typing import Final

from milepost_projector.partition import Folded, PartitionFold
from milepost_projector.silence.attention import Attention
from milepost_projector.silence.open_steps import OpenSteps
from milepost_projector.silence.verdicts import Judgement, Limits, Silence, judge
from milepost_schemas.document import Document

PATROLS: Final = 24
"""Looks at every open file within the time that a file may wait for a step."""


class PartitionWatch:
    """Watches one partition for as long as it is ours, and knows nothing from before.

    Two clocks count, neither of them this machine's wall clock. How long a silence was witnessed
    is measured on the monotonic clock. How long it was before that follows from the append time
    of the last sign and the broker's clock, which is known once a record comes in: the earliest
    reading counts, so that a broker's clock that jumps ahead accuses nobody either.
    """

    def __init__(self, fold: PartitionFold, limits: Limits) -> None:
        self.fold = fold
        self.attention = Attention()
        self.cursor = 0
        """Where the patrol of the open files is; 0 between two patrols."""
        self.open_steps = OpenSteps(limits.stalled_after_s)
        self._limits = limits
        self._patrol_at_ms = 0
        self._broker_ahead_ms: int | None = None

    @property
    def broker_is_known(self) -> bool:
        return self._broker_ahead_ms is not None

    def settle(self, folded: Folded, next_offset: int, now_ms: int) -> None:
        """Take in what was written to the read model, which is now at the given offset."""
        if not self.attention.reach(next_offset, now_ms):
            self._forget()
            return
        for key, slot in folded.touched.items():
            self.open_steps.note(key, slot.document, now_ms)
        if folded.appended_ms is not None:
            ahead = folded.appended_ms - now_ms
            known = self._broker_ahead_ms
            self._broker_ahead_ms = ahead if known is None else min(ahead, known)

    def may_accuse(self, now_ms: int) -> bool:
        lasts_ms = self.attention.lasts_ms(now_ms)
        return lasts_ms is not None and lasts_ms >= self._limits.attentive_for_s * 1000

    def wants_patrol(self, now_ms: int) -> bool:
        return bool(self.cursor) or now_ms >= self._patrol_at_ms

    def patrolled(self, cursor: int, now_ms: int) -> None:
        """Take in how far the patrol is. The next one is soon, if nobody may be accused yet."""
        limits = self._limits
        if not self.cursor:
            pause_s = limits.attentive_for_s
            if self.may_accuse(now_ms):
                pause_s = limits.queued_failed_after_s / PATROLS
            self._patrol_at_ms = now_ms + int(pause_s * 1000)
        self.cursor = cursor

    def find(self, documents: Mapping[bytes, Document], now_ms: int) -> None:
        """Take in documents from the read model; of a file that is known, memory knows more."""
        for key, document in documents.items():
            if self.open_steps.get(key) is None:
                self.open_steps.note(key, document, now_ms)

    def judge(self, key: bytes, document: Document, now_ms: int) -> Judgement:
        """Judge a file by its document, just read from the read model."""
        file = self.open_steps.get(key)
        if file is not None and document.signed_at_ms < file.signed_at_ms:
            return Judgement()
        self.open_steps.note(key, document, now_ms)
        judgement = judge(document, self.silence(key, document), self._limits)
        if judgement.verdict is None:
            self.open_steps.look_again(key, now_ms + int(judgement.again_in_s * 1000))
        return judgement

    def silence(self, key: bytes, document: Document) -> Silence:
        """How long a file has said nothing, up to the moment that everything is known of."""
        until_ms, since_ms = self.attention.until_ms, self.attention.since_ms
        file = self.open_steps.get(key)
        heard_ms = (since_ms or until_ms) if file is None else file.heard_at_ms
        witnessed_ms = max(0, until_ms - heard_ms)
        total_ms = witnessed_ms
        if self._broker_ahead_ms is not None:
            by_the_broker = until_ms + self._broker_ahead_ms - document.signed_at_ms
            total_ms = by_the_broker if file is None else max(witnessed_ms, by_the_broker)
        return Silence(total_ms / 1000, witnessed_ms / 1000)

    def _forget(self) -> None:
        self.open_steps = OpenSteps(self._limits.stalled_after_s)
        self._broker_ahead_ms = None
        self.cursor = 0
        self._patrol_at_ms = 0
