import string

import pytest

from milepost_pipeline.failures import SENTENCES, FailureCode, failure, file_too_large

FACTS = {
    "noun": "PDF",
    "type": "type .png",
    "size": "2 MB",
    "limit": 1,
    "characters": 2,
    "timeout_s": 60,
}


@pytest.mark.parametrize("code", SENTENCES)
def test_each_failure_is_one_sentence_that_says_what_to_do(code: FailureCode) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    error = failure(code, **{name: FACTS[name] for name in names})

    assert error.code == code
    assert error.message.endswith(".")
    assert error.message.count(". ") == 0
    assert "; " in error.message
    assert "{" not in error.message
    assert len(error.message) < 300


def test_both_sizes_are_named_so_that_they_differ() -> None:
    assert "150.0 MB, but at most 100.0 MB" in file_too_large(150_000_000, 100_000_000).message
    assert "100,000,001 bytes, but at most 100,000,000 bytes" in (
        file_too_large(100_000_001, 100_000_000).message
    )


def test_only_what_another_attempt_may_change_is_retryable() -> None:
    assert failure("storage_unavailable").retryable
    assert not failure("empty_file").retryable
