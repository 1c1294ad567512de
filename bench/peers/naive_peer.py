"""What is written most often: aiokafka, a pydantic model, one awaited HSET for each record."""

from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer
from pydantic import BaseModel
from redis.asyncio import Redis
from work import Meter, Task


class Progress(BaseModel):
    """The data of an event."""

    organization_id: str
    store_id: str
    file_id: str
    attempt: int
    step: str | None = None
    done_units: float | None = None


async def main(task: Task) -> None:
    """Consume until enough records are written."""
    redis: Any = Redis.from_url(task.redis_url)
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.brokers,
        group_id=task.prefix,
        auto_offset_reset="earliest",
    )
    meter = Meter(task.total)
    async with consumer:
        async for record in consumer:
            progress = Progress.model_validate_json(record.value)
            fields = progress.model_dump(exclude_none=True)
            await redis.hset(task.key(record.key), mapping=fields)
            if meter.note(1):
                break
    await redis.aclose()


if __name__ == "__main__":
    uvloop.run(main(Task.of_command_line()))
