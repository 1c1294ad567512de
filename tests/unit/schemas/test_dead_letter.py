import pytest

from milepost_schemas.dead_letter import (
    DeadLetterFacts,
    Headers,
    NotADeadLetterError,
    ValueDigest,
    fact_headers,
    split_headers,
)

FACTS = DeadLetterFacts(
    reason="wrong_partition",
    detail="the key belongs to partition 3",
    source_topic="milepost.events.v1",
    source_partition=7,
    source_offset=12,
    projector_version="0.1.0",
    failed_at_ms=1_750_000_000_123,
)
ORIGINAL: Headers = (("ce_id", b"1"), ("ce_source", b"/tests"), ("empty", None), ("ce_id", b"2"))


def test_the_headers_are_those_that_readers_in_other_languages_know() -> None:
    digest = ValueDigest.of(b"abc")

    assert fact_headers(FACTS._replace(digest=digest)) == [
        ("milepost-reason", b"wrong_partition"),
        ("milepost-detail", b"the key belongs to partition 3"),
        ("milepost-source-topic", b"milepost.events.v1"),
        ("milepost-source-partition", b"7"),
        ("milepost-source-offset", b"12"),
        ("milepost-projector-version", b"0.1.0"),
        ("milepost-failed-at", b"2025-06-15T15:06:40.123Z"),
        ("milepost-value-bytes", b"3"),
        (
            "milepost-value-sha256",
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ]


@pytest.mark.parametrize("facts", [FACTS, FACTS._replace(digest=ValueDigest.of(b"abc"))])
def test_the_record_gets_its_headers_back_as_they_were(facts: DeadLetterFacts) -> None:
    assert split_headers((*ORIGINAL, *fact_headers(facts))) == (ORIGINAL, facts)


def test_headers_of_a_record_that_look_like_facts_are_its_own() -> None:
    forged = (*ORIGINAL, *fact_headers(FACTS._replace(reason="forged", source_topic="secrets")))

    assert split_headers((*forged, *fact_headers(FACTS))) == (forged, FACTS)


@pytest.mark.parametrize(
    "headers",
    [
        ORIGINAL,
        fact_headers(FACTS)[:-1],
        [*fact_headers(FACTS)[:-1], ("milepost-failed-at", b"yesterday")],
        [("milepost-reason", b"\xff"), *fact_headers(FACTS)[1:]],
        [("milepost-reason", b"r"), ("milepost-source-offset", b"one")],
    ],
)
def test_what_has_no_facts_is_no_dead_letter(headers: Headers) -> None:
    with pytest.raises(NotADeadLetterError):
        split_headers(headers)
