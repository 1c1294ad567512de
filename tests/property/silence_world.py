"""A log, its owner and the stages that work on some files, all in one simulated time.

The owner's decisions are the projector's own code; only Kafka, Redis and the clocks are simulated.
"""

import copy
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from milepost_projector.partition import Folded, Partition, PartitionFold
from milepost_projector.silence.partition_watch import PartitionWatch
from milepost_projector.silence.verdicts import Limits, Verdict
from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.codec import encode
from milepost_schemas.document import Document
from milepost_schemas.events import Event, EventData, StepProgressed, StepStarted
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record

Fault = Literal["none", "kafka_away", "redis_away", "behind", "frozen", "takeover"]

LIMITS: Final = Limits(20, 100, queued_failed_after_s=400, attentive_for_s=20)
SIGN_EVERY_S: Final = 4
RECONNECTS_AFTER_S: Final = 15
"""A stage whose Kafka comes back may take so long to sign again."""
LIMIT_OF_ITS_OWN_S: Final = 60
"""Of the one healthy file that signs as seldom as it may."""


@dataclass(frozen=True)
class PlainRecord:
    """A record in the simulated log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Stage:
    """A stage at work on one file; it signs as long as it lives and the log takes it."""

    file_id: str
    every_s: int
    max_silence_s: float | None = None
    dies_at_s: int | None = None
    signs_next_at_s: int = 1

    def says(self, now_s: int) -> EventData | None:
        if now_s < self.signs_next_at_s or (self.dies_at_s is not None and now_s >= self.dies_at_s):
            return None
        ids: dict[str, Any] = {
            "organization_id": "org_1",
            "store_id": "vs_1",
            "file_id": self.file_id,
        }
        if self.signs_next_at_s == 1:
            return StepStarted(**ids, attempt=1, step="reading", max_silence_s=self.max_silence_s)
        return StepProgressed(**ids, attempt=1, step="reading")


@dataclass
class SilenceWorld:
    """Call `run` once for each stretch of time, with what is wrong during it."""

    stages: list[Stage]
    now_s: int = 1_000_000
    broker_ahead_s: int = 1_700_000_000
    log: list[PlainRecord] = field(default_factory=list)
    documents: dict[bytes, Document] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    """Those that were published by an owner that had just looked."""
    held: list[Verdict] = field(default_factory=list)
    """Those of an owner that froze, or lost Kafka, before it could publish them."""
    began_s: int = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.now_s
        self._take_over(0)

    def run(self, fault: Fault, seconds: int, *, broker_jump_s: int = 0) -> None:
        self.broker_ahead_s += broker_jump_s
        if fault == "takeover":
            self._take_over(self._written)
        if fault == "frozen":
            self.held += self._look()
        for _ in range(seconds):
            self.now_s += 1
            self._stages_speak(is_heard=fault != "kafka_away")
            if fault != "frozen":
                self._owner_works(fault)
        for verdict in self.held:
            self._append(verdict)
        self.held = []

    def document(self, file_id: str) -> Document:
        return self.documents[f"vs_1/{file_id}".encode()]

    def _take_over(self, offset: int) -> None:
        partition = Partition(0, 1, Keys().partition(1, 0))
        self._fold = PartitionFold(partition, 1, Checkpoint(offset))
        self._fold.know(copy.deepcopy(self.documents))
        self._watch = PartitionWatch(self._fold, LIMITS)
        self._written = self._read = offset
        self._unwritten: list[Folded] = []

    def _stages_speak(self, *, is_heard: bool) -> None:
        age_s = self.now_s - self.began_s
        for stage in self.stages:
            data = stage.says(age_s)
            if data is None:
                continue
            stage.signs_next_at_s = age_s + (stage.every_s if is_heard else RECONNECTS_AFTER_S)
            if is_heard:
                self._append(data)

    def _append(self, data: EventData) -> None:
        key, value, headers = encode(Event(str(len(self.log)), "/tests", None, data))
        at_ms = (self.now_s + self.broker_ahead_s) * 1000
        plain = [(name, header) for name, header in headers if header is not None]
        self.log.append(PlainRecord(len(self.log), at_ms, key, value, tuple(plain)))

    def _owner_works(self, fault: Fault) -> None:
        if fault != "kafka_away":
            self._watch.attention.learn(self.now_s * 1000, len(self.log))
            if fault != "behind":
                self._read_on()
        if fault != "redis_away":
            self._write()
            verdicts = self._look()
            if fault == "kafka_away":
                self.held += verdicts
            else:
                self._publish(verdicts)

    def _read_on(self) -> None:
        records = self.log[self._read :]
        self._fold.fold(records)
        self._read = len(self.log)
        self._unwritten.append(self._fold.cut(self._read, 1))

    def _write(self) -> None:
        for folded in self._unwritten:
            for slice_ in folded.slices:
                self._written = slice_.next_offset
                for name, value in zip(slice_.records[::2], slice_.records[1::2], strict=True):
                    key = name.split(b":f:", 1)[1]
                    self.documents[key] = decode_record(value)
            self._watch.settle(folded, self._written, self.now_s * 1000)
        self._unwritten = []

    def _look(self) -> list[Verdict]:
        now_ms = self.now_s * 1000
        if self._watch.attention.lasts_ms(now_ms) is None:
            return []
        names: list[bytes] = []
        if self._watch.wants_patrol(now_ms):
            self._watch.patrolled(0, now_ms)
            names += [key for key, one in self.documents.items() if not one.is_terminal]
        if self._watch.may_accuse(now_ms):
            names += self._watch.open_steps.due(now_ms, 100)
        found = {name: self.documents[name] for name in names}
        self._watch.find(found, now_ms)
        if not self._watch.may_accuse(now_ms):
            return []
        judged = [self._watch.judge(name, one, now_ms).verdict for name, one in found.items()]
        return [verdict for verdict in judged if verdict is not None]

    def _publish(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self.verdicts.append(verdict)
            self._append(verdict)
