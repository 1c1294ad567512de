import pytest
from aiokafka.admin import AIOKafkaAdminClient

from milepost import KafkaSettings, create_topics
from milepost.errors import BrokersNotReadyError, TopicMismatchError, TopicRefusedError
from milepost_local.ports import free_port
from milepost_local.servers import Server
from milepost_schemas.topics import Topic


@pytest.fixture
def connection(kafka: Server) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.address)


async def test_missing_topics_are_made_and_repeating_it_changes_nothing(
    kafka: Server, connection: KafkaSettings, unique: str
) -> None:
    topics = [Topic(f"{unique}.a", 3, {"cleanup.policy": "compact"}), Topic(f"{unique}.b", 2, {})]

    await create_topics(connection, topics)
    await create_topics(connection, topics)

    client = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await client.start()
    described = await client.describe_topics([topic.name for topic in topics])
    await client.close()
    assert {topic["topic"]: len(topic["partitions"]) for topic in described} == {
        f"{unique}.a": 3,
        f"{unique}.b": 2,
    }


async def test_another_number_of_partitions_is_said_clearly(
    connection: KafkaSettings, unique: str
) -> None:
    await create_topics(connection, [Topic(unique, 3, {})])

    with pytest.raises(TopicMismatchError, match=f"{unique} has 3 partitions, expected 4"):
        await create_topics(connection, [Topic(unique, 4, {})])


async def test_a_setting_that_the_brokers_refuse_is_named(
    connection: KafkaSettings, unique: str
) -> None:
    with pytest.raises(TopicRefusedError, match="nonsense"):
        await create_topics(connection, [Topic(unique, 1, {"nonsense": "1"})])


async def test_waiting_for_brokers_that_never_come_ends() -> None:
    connection = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    with pytest.raises(BrokersNotReadyError, match=r"within 0\.5 s"):
        await create_topics(connection, timeout_s=0.5)
