"""The golden examples: records as a topic carries them, and what a reader makes of them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from milepost_schemas.topics import TOPICS

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"

_PATH = re.compile(r"(?P<topic>[a-z.-]+)/(?P<version>v\d+)/[a-z0-9]+(-[a-z0-9]+)*\.json")


class ExampleRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A record in readable form."""

    key: str | None
    headers: dict[str, str | None]
    value: Any = msgspec.UNSET
    """JSON; null stands for a record without a value."""
    value_text: str | msgspec.UnsetType = msgspec.UNSET
    """The value where it is no JSON."""
    padded_to: int = 0
    """Size in bytes to which the value is filled up with spaces."""

    def encode(self) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
        headers = [
            (name, None if text is None else text.encode()) for name, text in self.headers.items()
        ]
        return None if self.key is None else self.key.encode(), self._value(), headers

    def _value(self) -> bytes | None:
        if isinstance(self.value_text, str):
            return self.value_text.encode()
        if self.value is None:
            return None
        return json.dumps(self.value, ensure_ascii=False).encode().ljust(self.padded_to)


class ExpectedEvent(msgspec.Struct, forbid_unknown_fields=True):
    """What a record says, where it says something."""

    id: str
    source: str
    time: str | None
    type: str
    data: dict[str, Any]
    traceparent: str | None = None
    tracestate: str | None = None


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """One golden example; exactly one of the last three is given."""

    record: ExampleRecord
    event: ExpectedEvent | None = None
    invalid: str | None = None
    """The reason for which the record is refused."""
    foreign: str | None = None
    """The type for which the record is skipped."""

    def __post_init__(self) -> None:
        if [self.event, self.invalid, self.foreign].count(None) != 2:
            raise ValueError("an example expects one thing: event, invalid or foreign")


def paths(root: Path = EXAMPLES) -> list[Path]:
    return sorted(root.rglob("*.json"))


def load(path: Path) -> Example:
    return msgspec.json.decode(path.read_bytes(), type=Example)


def valid_examples() -> list[tuple[str, Example]]:
    examples = [(path.stem, load(path)) for path in paths()]
    return [(name, example) for name, example in examples if example.event is not None]


def orphans(root: Path) -> list[str]:
    """What lies among the examples but is none: nothing would ever read it."""
    topics = {topic.name for topic in TOPICS}
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        match = _PATH.fullmatch(name)
        if match is None or f"{match['topic']}.{match['version']}" not in topics:
            found.append(name)
    return found
