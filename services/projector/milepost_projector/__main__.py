"""Runs the projector: `python -m milepost_projector`."""

import asyncio
import gc
import signal
import time
from typing import Final

import structlog
import uvloop

from milepost.admin import count_partitions
from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.publisher import Publisher
from milepost_projector.dead_letters import DeadLetters
from milepost_projector.logs import configure_logs
from milepost_projector.opener import Opener
from milepost_projector.projector import Projector
from milepost_projector.read_model import RedisReadModel
from milepost_projector.settings import Settings
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.keys import Keys
from milepost_schemas.topics import MAX_DEAD_LETTER_BYTES

MAX_RECORDS: Final = 6_000
"""Records of one fetch, which bounds the memory that they take."""


async def run(settings: Settings, kafka: KafkaSettings) -> None:
    """Project until SIGTERM or SIGINT, then finish the batch in hand."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    read_model = RedisReadModel(str(settings.redis_url), Keys(settings.redis_prefix))
    consumer = Consumer(
        kafka, settings.events_topic, settings.projector_group, max_records=MAX_RECORDS
    )
    status_topic = StatusTopic(kafka, settings.status_topic, settings.projector_group)
    publisher = Publisher(kafka, max_record_bytes=MAX_DEAD_LETTER_BYTES)
    async with publisher, consumer:
        partitions = await count_partitions(kafka, settings.events_topic)
        projector = Projector(
            consumer,
            read_model,
            DeadLetters(publisher, settings.dead_letter_topic, settings.events_topic),
            Opener(consumer, read_model, status_topic, partitions),
            clock_ms=lambda: time.time_ns() // 1_000_000,
        )
        consumer.before_giving_up(projector.drain)
        await projector.run(stopping)
    await status_topic.close()
    await read_model.close()
    structlog.get_logger().info("stopped", outcomes=dict(projector.outcomes))


def main() -> None:
    """Read the environment and run."""
    configure_logs()
    # Records and documents are no cycles; frequent collections would only walk them.
    gc.set_threshold(500_000, 20, 100)
    uvloop.run(run(Settings(), KafkaSettings()))


if __name__ == "__main__":
    main()
