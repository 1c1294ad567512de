from pathlib import Path

import pytest

from milepost import AsyncReporter, Cadence, KafkaSettings, create_topics
from milepost.errors import EventsLostError, PublishTimeoutError
from milepost_local.servers import OwnServer
from tests.integration.client.log import breakable_kafka
from tests.unit.client.files import FILE

SLOW = Cadence(progress_s=3_600, sign_of_life_s=3_600, deadline_s=1)


async def test_without_brokers_every_end_is_an_error_and_nothing_hangs(tmp_path: Path) -> None:
    async with breakable_kafka(tmp_path) as kafka:
        connection = KafkaSettings(bootstrap_servers=kafka.address)
        await create_topics(connection)
        await _complete_with_brokers(connection)
        with pytest.raises(PublishTimeoutError):
            await _complete_without_brokers(connection, kafka)
        assert kafka.pid is None
        await kafka.start()
        await _complete_with_brokers(connection)
        with pytest.raises(EventsLostError, match=r"1 event\(s\)"):
            await _forget_without_brokers(connection, kafka)


async def _complete_with_brokers(connection: KafkaSettings) -> None:
    """Leaders that have just been elected take their time, which would be a short deadline's."""
    async with (
        AsyncReporter(connection, source="test") as reporter,
        reporter.file(organization_id="org_1", **FILE).step("chunking"),
    ):
        pass


async def _complete_without_brokers(connection: KafkaSettings, kafka: OwnServer) -> None:
    async with (
        AsyncReporter(connection, source="test", cadence=SLOW) as reporter,
        reporter.file(organization_id="org_1", **FILE).step("chunking"),
    ):
        kafka.kill()
        await kafka.wait()


async def _forget_without_brokers(connection: KafkaSettings, kafka: OwnServer) -> None:
    async with AsyncReporter(connection, source="test", cadence=SLOW) as reporter:
        step = reporter.file(organization_id="org_1", **FILE).step("chunking")
        await step.__aenter__()
        step.advance(1)
        kafka.kill()
        await kafka.wait()
