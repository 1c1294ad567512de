"""For tests of code that uses Milepost: the real clients over a log that lives in memory.

def test_my_stage_completes_the_file():
log = MemoryLog()
with FakeReporter(log) as reporter:
my_stage(reporter)
assert log.status(store_id="vs_1", file_id="file_1").status == "completed"
"""

import httpx

from milepost.fake_service import FakeService
from milepost.fake_subscription import FakeSubscription
from milepost.http import AsyncMilepost, Milepost
from milepost.memory_log import MemoryLog
from milepost.outlet import Cadence
from milepost.reporter import AsyncReporter
from milepost.sync_reporter import Reporter

__all__ = [
    "FakeAsyncMilepost",
    "FakeAsyncReporter",
    "FakeMilepost",
    "FakeReporter",
    "FakeSubscription",
    "MemoryLog",
]

_URL = "http://milepost.test"
_DEFAULT_CADENCE = Cadence()


class FakeReporter(Reporter):
    """A reporter whose events go to a log in memory."""

    def __init__(
        self, log: MemoryLog, *, source: str = "test", cadence: Cadence = _DEFAULT_CADENCE
    ) -> None:
        super().__init__(log, source=source, cadence=cadence)


class FakeAsyncReporter(AsyncReporter):
    """An asynchronous reporter whose events go to a log in memory."""

    def __init__(
        self, log: MemoryLog, *, source: str = "test", cadence: Cadence = _DEFAULT_CADENCE
    ) -> None:
        super().__init__(log, source=source, cadence=cadence)


class FakeMilepost(Milepost):
    """A client with a key of one organization, answered from a log in memory."""

    def __init__(self, log: MemoryLog, *, organization_id: str) -> None:
        transport = httpx.MockTransport(FakeService(log, organization_id).answer)
        super().__init__(base_url=_URL, api_key="ak_fake", transport=transport)


class FakeAsyncMilepost(AsyncMilepost):
    """As `FakeMilepost`, for asyncio."""

    def __init__(self, log: MemoryLog, *, organization_id: str) -> None:
        transport = httpx.MockTransport(FakeService(log, organization_id).answer_async)
        super().__init__(base_url=_URL, api_key="ak_fake", transport=transport)
