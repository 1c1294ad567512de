"""A file's log as the fold sees it: what the tests of the fold append their events to."""

import json
from typing import Any, TypeVar

from milepost_schemas.document import Document, render_status
from milepost_schemas.events import Event, EventData
from milepost_schemas.fold import Outcome, fold
from milepost_schemas.progress import Step
from milepost_schemas.status_record import encode_status
from milepost_schemas.times import parse_time_ms

T = TypeVar("T")

START_MS = parse_time_ms("2025-06-15T10:00:00Z")
"""When the first event of a log is appended; each further one follows a second later."""


def fact(kind: type[T], **fields: Any) -> T:
    """The data of an event of the one file that these tests talk about, attempt 1 unless said."""
    identity = {"organization_id": "org_1", "store_id": "vs_1", "file_id": "file_1", "attempt": 1}
    return kind(**(identity | fields))


class FileLog:
    """Appends events and keeps the document up to date. Clocks are right unless said."""

    def __init__(self) -> None:
        self.document = Document("org_1", "vs_1", "file_1")
        self.offset = -1

    @property
    def now_ms(self) -> int:
        """When the last event was appended."""
        return START_MS + self.offset * 1000

    def append(self, data: EventData, *, at: str | None = "") -> Outcome:
        """Append an event; `at` is its `ce_time`, None for none, else the broker's time."""
        self.offset += 1
        time_ms = self.now_ms if at == "" else None if at is None else parse_time_ms(at)
        event = Event(str(self.offset), "test", time_ms, data)
        return fold(self.document, event, self.offset, self.now_ms)

    def append_all(self, *facts: EventData) -> None:
        for data in facts:
            self.append(data)

    @property
    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(render_status(self.document))
        return answer

    @property
    def rendered(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(encode_status(self.document))
        return document

    def step(self, name: str) -> Step:
        step = self.document.find_step(name)
        assert step is not None
        return step
