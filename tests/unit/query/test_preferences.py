import pytest

from milepost_query.waits.preferences import preferred_wait_s


@pytest.mark.parametrize(
    ("fields", "wait_s"),
    [
        ([b"wait=10"], 10),
        ([b"Wait = 10"], 10),
        ([b'wait="10"'], 10),
        ([b"wait=0"], 0),
        ([b"respond-async, wait=10"], 10),
        ([b"wait=10; reason=page, handling=lenient"], 10),
        ([b"handling=lenient", b"wait=10"], 10),
        ([b"wait=10, wait=20"], 10),
        ([b"wait=10", b"wait=20"], 10),
        ([b"wait=31"], 30),
        ([b"wait=" + b"9" * 5_000], 30),
    ],
)
def test_the_wait_that_is_said_first_counts_up_to_the_longest(
    fields: list[bytes], wait_s: int
) -> None:
    headers = [(b"host", b"wait=1"), *((b"prefer", field) for field in fields)]

    assert preferred_wait_s(headers) == wait_s


@pytest.mark.parametrize(
    "field",
    [b"", b"wait", b"wait=", b"wait=ten", b"wait=-1", b"wait=1.5", b'wait="', b"await=10", b",;="],
)
def test_what_is_no_number_of_seconds_is_ignored(field: bytes) -> None:
    assert preferred_wait_s([(b"prefer", field)]) is None
