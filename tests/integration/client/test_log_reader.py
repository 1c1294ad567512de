import pytest

from milepost.connection import KafkaSettings
from milepost.errors import KafkaUnavailableError
from milepost.log_reader import LogReader
from milepost_local.servers import Server
from tests.integration.client.background_tasks import kill_tasks
from tests.integration.client.test_consumer import Log


async def test_a_reader_that_has_died_without_a_word_is_replaced(
    kafka: Server, unique: str
) -> None:
    log = Log(kafka.address, unique)
    await log.create()
    await log.append(b"a", b"b")
    connection = KafkaSettings(bootstrap_servers=kafka.address)
    reader = LogReader(connection, unique, read_timeout_s=2.0)
    await reader.start()
    try:
        await kill_tasks("Fetcher._fetch_requests_routine")
        with pytest.raises(KafkaUnavailableError, match="nothing came"):
            await reader.record(0, 1)

        record = await reader.record(0, 1)
        assert record is not None
        assert record.value == b"b"
        assert (await reader.records(0, 0, 10))[1] == 2
    finally:
        await reader.stop()
