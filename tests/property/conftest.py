"""A protocol in small sizes, so that a few records reach every bound of it."""

from collections.abc import Iterator

import pytest
import structlog

SMALL_SIZES = {
    "milepost_projector.partition.STRIDE": 1,
    "milepost_projector.partition.SLICE_WEIGHT": 2,
    "milepost_projector.projector.GATHERED_RECORDS": 4,
    "milepost_projector.projector.DOCUMENTS_IN_MEMORY": 1,
    "milepost_projector.projector.LOAD_KEYS": 1,
    "milepost_projector.publication.MAX_PENDING": 2,
    "milepost_projector.rebuild.filling.GATHERED_RECORDS": 4,
    "milepost_projector.rebuild.filling.DOCUMENTS_IN_MEMORY": 1,
    "milepost_projector.rebuild.filling.LOAD_KEYS": 1,
    "milepost_projector.rebuild.generations.REMOVED_KEYS": 3,
    "milepost_projector.publication.CHUNK_RECORDS": 2,
}


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bounds of the projector that a few records reach; nothing is logged meanwhile."""
    for name, value in SMALL_SIZES.items():
        monkeypatch.setattr(name, value)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()
