"""What a verification came to."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from milepost_auditor.differences import Difference
from milepost_auditor.outcomes import became_of
from milepost_auditor.partition_audit import PartitionReport
from milepost_schemas.meta import Meta


class Report(NamedTuple):
    """The partitions of one generation, compared."""

    meta: Meta
    partitions: list[PartitionReport]
    misplaced: list[Difference]
    """Keys that belong to no partition."""

    @property
    def difference_count(self) -> int:
        return len(self.misplaced) + sum(each.findings.count for each in self.partitions)

    @property
    def differences(self) -> list[Difference]:
        """By partition; of a partition with very many, the first ones."""
        found = [one for each in self.partitions for one in each.findings.differences]
        return [*self.misplaced, *found]

    @property
    def outcomes(self) -> Counter[str]:
        """What became of the records, by outcome."""
        return sum((Counter(each.outcomes) for each in self.partitions), Counter())

    @property
    def totals(self) -> dict[str, int]:
        """The same by the four things that can become of a record."""
        totals = dict.fromkeys(("applied", "ignored", "skipped", "dead_lettered"), 0)
        for outcome, number in self.outcomes.items():
            totals[became_of(outcome)] += number
        return totals

    @property
    def compared(self) -> Counter[str]:
        """How many things were compared, by their kind."""
        return sum((Counter(each.findings.compared) for each in self.partitions), Counter())

    def as_json(self) -> dict[str, Any]:
        """All of it, as built-in types."""
        return {
            "equal": self.difference_count == 0,
            "generation": self.meta.generation,
            "model_version": self.meta.model_version,
            "records": sum(self.totals.values()),
            "files": sum(each.files for each in self.partitions),
            "totals": self.totals,
            "outcomes": dict(sorted(self.outcomes.items())),
            "compared": dict(sorted(self.compared.items())),
            "partitions": [
                {"partition": each.number, "checkpoint": each.checkpoint,
                 "published": each.published, "files": each.files}
                for each in self.partitions
            ],
            "difference_count": self.difference_count,
            "differences": msgspec.to_builtins(self.differences),
        }  # fmt: skip
