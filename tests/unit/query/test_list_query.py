import tracemalloc

import pytest

from milepost_query.lists.list_query import ListQuery, list_query
from milepost_query.problems import ProblemError


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        (b"", ListQuery()),
        (b"status=failed&skip=20&limit=5", ListQuery(status="failed", skip=20, limit=5)),
        (b"search=Stra%C3%9Fe+1&unknown=1", ListQuery(search="Straße 1")),
        (b"limit=1&limit=2", ListQuery(limit=2)),
    ],
)
def test_a_query_is_read(sent: bytes, query: ListQuery) -> None:
    assert list_query(sent) == query


@pytest.mark.parametrize("sent", [b"limit=101", b"skip=10001", b"status=done", b"status="])
def test_what_is_out_of_bounds_is_named(sent: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        list_query(sent)

    (error,) = caught.value.details["errors"]
    assert error["loc"] == ["query", sent.partition(b"=")[0].decode()]
    assert set(error) == {"loc", "msg", "type"}


def test_nobody_fills_the_memory_with_long_queries() -> None:
    tracemalloc.start()
    try:
        for number in range(200):
            list_query(b"%d=%b" % (number, b"x" * 60_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1_000_000
