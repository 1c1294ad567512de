"""Runs the four stages in one process: `python -m milepost_pipeline`."""

import asyncio
import signal

import structlog
import uvloop

from milepost.connection import KafkaSettings
from milepost.consumer import Consumer
from milepost.errors import EventsLostError
from milepost.publisher import Publisher
from milepost_pipeline.index import VectorIndex
from milepost_pipeline.logs import configure_logs
from milepost_pipeline.objects import ObjectStore
from milepost_pipeline.reader import Reader, ReaderLimits
from milepost_pipeline.settings import Settings
from milepost_pipeline.stage import Stage
from milepost_pipeline.step_runner import StepRunner, Surroundings
from milepost_pipeline.steps.chunking import Chunking
from milepost_pipeline.steps.embedding import Embedding
from milepost_pipeline.steps.extracting import Extracting
from milepost_pipeline.steps.indexing import Indexing
from milepost_pipeline.steps.step import Step
from milepost_pipeline.vectors import Embedder

# Files at once in the stages that work in threads: one may wait for storage while one computes.
_THREADED_FILES = 2
# Work whose events Kafka does not take is tried again anyway; shorter than an impatient SIGKILL.
_PUBLISH_DEADLINE_S = 5


async def run(settings: Settings, kafka: KafkaSettings, stopping: asyncio.Event) -> None:
    """Process files until stopping; what is unfinished then comes again at the next start."""
    objects = ObjectStore(settings.objects_url)
    limits = ReaderLimits(settings.readers, settings.read_timeout_s, settings.reader_memory_bytes)
    publisher = Publisher(kafka, deadline_s=_PUBLISH_DEADLINE_S)
    surroundings = Surroundings(
        objects, publisher, settings.events_topic, settings.storage_patience_s
    )

    async def run_stage(step: Step, concurrency: int) -> None:
        group = f"{settings.pipeline_group}.{step.name}"
        async with Consumer(kafka, settings.events_topic, group) as consumer:
            runner = StepRunner(step, surroundings)
            await Stage(runner, consumer, concurrency=concurrency).run(stopping)

    try:
        async with publisher, Reader(settings.objects_url, limits) as reader:
            extracting = Extracting(objects, reader, max_file_bytes=settings.max_file_bytes)
            async with asyncio.TaskGroup() as stages:
                stages.create_task(run_stage(extracting, settings.readers))
                for step in (
                    Chunking(objects),
                    Embedding(objects, Embedder()),
                    Indexing(objects, VectorIndex(settings.index_file)),
                ):
                    stages.create_task(run_stage(step, _THREADED_FILES))
    except EventsLostError as error:
        # Nothing of it was committed, so that the next start publishes it again.
        structlog.get_logger().warning("events_unacknowledged", count=error.count)


async def serve() -> None:
    """Read the environment and run until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await run(Settings(), KafkaSettings(), stopping)
    structlog.get_logger().info("stopped")


if __name__ == "__main__":
    configure_logs()
    uvloop.run(serve())
