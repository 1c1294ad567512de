"""Dead letters counted by reason and source."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from milepost.dead_letters import DeadLetter
from milepost_schemas.times import format_ms


class Example(msgspec.Struct):
    """The newest dead letter of a group: where its record stands in the log, and what is wrong."""

    topic: str
    partition: int
    offset: int
    failed_at: str
    detail: str


class DeadLetterGroup(msgspec.Struct):
    """Dead letters with one reason from one source; never their payloads."""

    reason: str
    source: str
    count: int
    by_reference: int
    """Of these, how many have left their value behind, so that they cannot be sent back."""
    example: Example

    @property
    def sendable(self) -> int:
        return self.count - self.by_reference


async def grouped(letters: AsyncIterator[DeadLetter]) -> Sequence[DeadLetterGroup]:
    """The groups, largest first."""
    groups: dict[tuple[str, str], DeadLetterGroup] = {}
    async for letter in letters:
        name = (letter.facts.reason, letter.source)
        example = _example(letter)
        group = groups.setdefault(name, DeadLetterGroup(*name, 0, 0, example))
        group.count += 1
        group.by_reference += letter.is_by_reference
        group.example = max(group.example, example, key=lambda each: each.failed_at)
    return sorted(groups.values(), key=lambda group: (-group.count, group.reason, group.source))


def _example(letter: DeadLetter) -> Example:
    facts = letter.facts
    return Example(
        topic=facts.source_topic,
        partition=facts.source_partition,
        offset=facts.source_offset,
        failed_at=format_ms(facts.failed_at_ms),
        detail=facts.detail,
    )
