from typing import Any

import pytest

from milepost.event_ids import event_id
from milepost_schemas.events import ProcessingCompleted, StepCompleted

IDS: dict[str, Any] = {
    "organization_id": "org_1",
    "store_id": "vs_1",
    "file_id": "file_1",
    "attempt": 1,
}


def test_the_id_of_a_fact_never_changes() -> None:
    fact = StepCompleted(**IDS, step="chunking", output={"chunk_count": 3})

    assert event_id(fact) == "3086f10f-25f7-5401-bd65-7d687501ec9b"


def test_the_order_of_the_facts_in_an_output_does_not_matter() -> None:
    one = StepCompleted(**IDS, step="chunking", output={"a": 1, "b": 2})
    other = StepCompleted(**IDS, step="chunking", output={"b": 2, "a": 1})

    assert event_id(one) == event_id(other)


@pytest.mark.parametrize(
    "change",
    [
        {"organization_id": "org_2"},
        {"store_id": "vs_2"},
        {"file_id": "file_2"},
        {"attempt": 2},
        {"chunk_count": 1},
    ],
)
def test_another_fact_has_another_id(change: dict[str, Any]) -> None:
    assert event_id(ProcessingCompleted(**IDS)) != event_id(ProcessingCompleted(**IDS | change))


def test_facts_of_different_types_and_occurrences_have_different_ids() -> None:
    fact = ProcessingCompleted(**IDS)

    assert len({event_id(fact), event_id(fact, "1"), event_id(fact, "2")}) == 3
    assert event_id(fact) != event_id(StepCompleted(**IDS, step=""))
