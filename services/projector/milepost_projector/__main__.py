"""Runs the projector: `python -m milepost_projector`."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from typing import Final

import structlog
import uvloop
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from milepost.admin import count_partitions
from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.publisher import Publisher
from milepost_projector.dead_letters import DeadLetters
from milepost_projector.gauges import Gauges
from milepost_projector.log_identity import LogIdentity
from milepost_projector.logs import configure_logs
from milepost_projector.memory import settle_memory
from milepost_projector.metrics import Metrics
from milepost_projector.opener import Opener
from milepost_projector.outages import persevere, unless
from milepost_projector.probes import Probes, serving
from milepost_projector.progress import Progress
from milepost_projector.projector import Instruments, Projector
from milepost_projector.read_model import RedisReadModel
from milepost_projector.settings import Settings
from milepost_projector.silence.event_log import EventLog
from milepost_projector.silence.verdicts import Limits
from milepost_projector.silence.watch import Watch
from milepost_projector.status_topic import StatusTopic
from milepost_schemas.keys import Keys
from milepost_schemas.topics import MAX_DEAD_LETTER_BYTES

MAX_RECORDS: Final = 500
"""Records of one fetch: few enough to be still in the processor's caches when they are folded."""


def now_ms() -> int:
    """The time of day, in ms since 1970."""
    return time.time_ns() // 1_000_000


async def run(settings: Settings, kafka: KafkaSettings) -> None:
    """Project until SIGTERM or SIGINT, then finish the batch in hand."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    read_model = RedisReadModel(settings.redis_url.get_secret_value(), Keys(settings.redis_prefix))
    consumer = Consumer(
        kafka, settings.events_topic, settings.projector_group, max_records=MAX_RECORDS
    )
    status_topic = StatusTopic(kafka, settings.status_topic, settings.projector_group)
    publisher = Publisher(kafka, max_record_bytes=MAX_DEAD_LETTER_BYTES)
    identity = LogIdentity(kafka, settings.events_topic)
    limits = Limits(
        settings.stalled_after_s, settings.failed_after_s, settings.queued_failed_after_s
    )
    registry = CollectorRegistry()
    progress = Progress(consumer, within_s=settings.projector_ready_within_s)
    metrics = Metrics(registry, progress, now_ms)
    registry.register(Gauges(progress, lambda: consumer.rebuilds, now_ms))
    ProcessCollector(registry=registry)
    probes = serving(
        Probes(progress, registry), settings.projector_http_host, settings.projector_http_port
    )

    async def count() -> int:
        return await count_partitions(kafka, settings.events_topic)

    async with probes, publisher, AsyncExitStack() as joining:
        partitions = await unless(stopping, persevere(count, metrics.not_now))
        if partitions is None:
            return
        await joining.enter_async_context(consumer)
        projector = Projector(
            consumer,
            read_model,
            DeadLetters(publisher, settings.dead_letter_topic, settings.events_topic),
            Opener(
                consumer, read_model, status_topic, partitions, identity=identity, metrics=metrics
            ),
            instruments=Instruments(now_ms, metrics),
            watch=Watch(
                read_model,
                EventLog(publisher, settings.events_topic),
                limits,
                monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
                wall_ms=now_ms,
            ),
        )
        consumer.before_giving_up(projector.drain)
        await projector.run(stopping)
    await status_topic.close()
    await read_model.close()
    structlog.get_logger().info("stopped", outcomes=dict(projector.outcomes))


def main() -> None:
    """Read the environment and run."""
    configure_logs()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes and returns nothing
    settle_memory()
    uvloop.run(run(Settings(), KafkaSettings()))


if __name__ == "__main__":
    main()
