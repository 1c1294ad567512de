from hashlib import sha256

from milepost_auditor.dead_letters import DeadLetterTopic, compare_dead_letters
from milepost_auditor.differences import Findings
from tests.unit.auditor.records import Given, folded, poison

APPENDED_MS = 1_750_000_000_000


def letter(record: Given, **changed: bytes | None) -> Given:
    """The dead letter of a record, with some parts changed."""
    key, value, headers = record.encoded
    parts = {
        "key": key,
        "value": value,
        "milepost-reason": b"malformed_data",
        "milepost-detail": b"no JSON",
        "milepost-source-topic": b"log",
        "milepost-source-partition": b"4",
        "milepost-source-offset": str(record.at).encode(),
        "milepost-projector-version": b"1",
        "milepost-failed-at": b"2025-06-15T10:00:05.000Z",
    } | {name.replace("_", "-"): text for name, text in changed.items()}
    facts = [(name, text) for name, text in parts.items() if name.startswith("milepost-")]
    return Given(50 + record.at, (parts["key"], parts["value"], [*headers, *facts]))


def compared(
    *letters: Given, rejected: tuple[Given, ...], complete_since_ms: int = 0
) -> tuple[list[str], dict[str, int]]:
    topic = DeadLetterTopic("log")
    topic.take(letters)
    topic.lacks_before(complete_since_ms)
    findings = Findings()
    compare_dead_letters(4, topic.below(4, 10), folded(*rejected).rejections, findings)
    return [one.detail for one in findings.differences], findings.compared


def test_a_rejected_record_has_to_be_a_dead_letter_with_its_bytes_and_the_reason() -> None:
    record = poison(3)
    assert compared(letter(record), rejected=(record,))[0] == []
    differences = {
        "malformed_data: the dead letter says too_large": letter(
            record, milepost_reason=b"too_large"
        ),
        "malformed_data: the dead letter has another key": letter(record, key=b"a"),
        "malformed_data: the dead letter has another value": letter(record, value=b"a"),
        "malformed_data: missing": letter(record, milepost_source_topic=b"other"),
    }
    for detail, wrong in differences.items():
        assert compared(wrong, rejected=(record,))[0] == [detail]


def test_the_dead_letter_has_to_begin_with_the_records_own_headers() -> None:
    record = poison(3)
    bare = letter(Given(3, (record.key(), record.value(), ())))
    assert compared(bare, rejected=(record,))[0] == [
        "malformed_data: the dead letter has other headers than the record"
    ]


def test_a_value_that_is_too_large_for_the_topic_is_known_by_its_digest() -> None:
    record = poison(3)
    digest = sha256(b"no JSON").hexdigest().encode()
    right = letter(record, value=None, milepost_value_bytes=b"7", milepost_value_sha256=digest)
    wrong = letter(record, value=None, milepost_value_bytes=b"7", milepost_value_sha256=b"0")
    assert compared(right, rejected=(record,))[0] == []
    assert len(compared(wrong, rejected=(record,))[0]) == 1


def test_a_dead_letter_that_may_have_expired_is_not_missed() -> None:
    record = poison(3, appended_ms=APPENDED_MS)
    details, counts = compared(rejected=(record,), complete_since_ms=APPENDED_MS + 1)
    assert (details, counts["dead_letters_expired"]) == ([], 1)
    details, _ = compared(rejected=(record,), complete_since_ms=APPENDED_MS)
    assert details == ["malformed_data: missing"]


def test_a_dead_letter_of_a_record_that_is_accepted_is_only_counted() -> None:
    details, counts = compared(letter(poison(3)), letter(poison(10)), rejected=())
    assert (details, counts["dead_letters_of_accepted_records"]) == ([], 1)
