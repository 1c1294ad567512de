"""The reckoning: the log folded anew, against Redis, the dead letters and the status topic."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from milepost_schemas.codec import InvalidReason
from milepost_schemas.fold import REJECTED
from milepost_schemas.keys import Keys
from milepost_schemas.record import decode_record
from milepost_schemas.status_record import GENERATION_HEADER, encode_status
from milepost_schemas.topics import PARTITIONS
from tests.faults.campaign.load import EndlessLoad, digest
from tests.faults.campaign.tail import TopicTail
from tests.fixtures.expected_model import ExpectedPartition, Model, stored_model
from tests.fixtures.running_projector import World

STALE = ("late_attempt", "after_terminal", "after_deletion")
REMEMBERED_FILES = 1_000
"""Files whose event ids are remembered: more than are at work at once."""
DEAD: frozenset[str] = REJECTED | frozenset(InvalidReason.__args__)  # type: ignore[attr-defined]


Reached = Callable[[dict[int, int]], Awaitable[None]]
"""Returns once everything before these offsets is in Redis and in the status topic."""


class Reckoning:
    """Goes on from where it was at each `settle`; memory holds one document per file."""

    def __init__(self, world: World, load: EndlessLoad) -> None:
        self.outcomes: Counter[str] = Counter()
        self.duplicates = 0
        self.dead_letters = 0
        self.lost: list[str] = []
        """What was acknowledged, or follows from it, and is not where it has to be."""
        self._world = world
        self._load = load
        servers = world.kafka.bootstrap_servers
        self._log = TopicTail(servers, world.events)
        self._letters = TopicTail(servers, world.dead_letters)
        self._statuses = TopicTail(servers, world.statuses)
        self._partitions = [ExpectedPartition(number, PARTITIONS) for number in range(PARTITIONS)]
        self._ids: dict[bytes | None, set[bytes]] = {}
        self._rejected: dict[tuple[int, int], int] = {}
        self._newest: dict[bytes, tuple[bytes, int]] = {}

    async def settle(self, generation: int, reached: Reached) -> None:
        """Compare all there is, while the load rests; `reached` waits for what the log has."""
        await self._read_log()
        while True:
            await reached(self._log.ends)
            async with self._world.redis() as redis:
                stored = await stored_model(redis, self._world.name, generation)
            # Projectors publish, too: verdicts on files that nothing is heard of.
            if not await self._read_log():
                break
        self._require_all_accounted_for()
        await self._read_letters()
        async for record in self._statuses.read():
            self._newest[record.key] = (
                dict(record.headers)[GENERATION_HEADER],
                digest(record.key, record.value),
            )
        expected: Model = {}
        for number, partition in enumerate(self._partitions):
            expected |= partition.model(Keys(self._world.name).partition(generation, number))
        self._compare(expected, stored)
        self._compare_statuses(expected, generation)

    async def _read_log(self) -> bool:
        """Fold what is new; whether there was anything."""
        seen: dict[int, int] = {}
        async for record in self._log.read():
            outcome = self._partitions[record.partition].take(record)
            self._count(record, outcome)
            content = digest(record.key, record.value)
            acknowledged = self._load.digests[record.partition]
            if record.offset < len(acknowledged) and acknowledged[record.offset] not in (
                0,
                content,
            ):
                self.lost.append(f"log {record.partition} {record.offset}: another record")
            seen[record.partition] = record.offset + 1
            if outcome in DEAD:
                self._rejected[record.partition, record.offset] = content
        for number, acknowledged in self._load.digests.items():
            if number in seen and seen[number] < len(acknowledged):
                self.lost.append(f"log {number}: ends at {seen[number]} of {len(acknowledged)}")

        return bool(seen)

    def _require_all_accounted_for(self) -> None:
        accounted = self.outcomes.total() + self.duplicates
        if accounted < self._load.acknowledged:
            self.lost.append(f"log: {accounted} records of {self._load.acknowledged} acknowledged")

    def _count(self, record: Any, outcome: str) -> None:
        identity = dict(record.headers).get("ce_id", b"")
        ids = self._ids.setdefault(record.key, set())
        if identity in ids and outcome not in DEAD and outcome != "foreign":
            self.duplicates += 1
            if outcome == "applied":
                self.lost.append(f"log {record.partition} {record.offset}: a duplicate was applied")
        else:
            self.outcomes[outcome] += 1
        ids.add(identity)
        if len(self._ids) > REMEMBERED_FILES:
            del self._ids[next(iter(self._ids))]

    async def _read_letters(self) -> None:
        async for record in self._letters.read():
            headers = dict(record.headers)
            source = (
                int(headers["milepost-source-partition"]),
                int(headers["milepost-source-offset"]),
            )
            content = self._rejected.pop(source, None)
            if content is None:
                continue
            self.dead_letters += 1
            if content != digest(record.key, record.value):
                self.lost.append(f"dead letter of {source}: other bytes than the record's")
        self.lost += [f"no dead letter of {source}" for source in self._rejected]
        self._rejected.clear()

    def _compare(self, expected: Model, stored: Model) -> None:
        differing = {
            key for key in expected.keys() | stored.keys() if expected.get(key) != stored.get(key)
        }
        self.lost += [
            f"{key}: {stored.get(key)!r}, not {expected.get(key)!r}" for key in sorted(differing)
        ]

    def _compare_statuses(self, expected: Model, generation: int) -> None:
        for key, value in expected.items():
            if not isinstance(value, bytes):
                continue
            name = key.partition("}:f:")[2].encode()
            wanted = (str(generation).encode(), digest(name, encode_status(decode_record(value))))
            if self._newest.get(name) != wanted:
                self.lost.append(
                    f"status topic: the last record of {name.decode()} is not the newest"
                )
