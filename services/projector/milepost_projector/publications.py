"""The publications of all partitions that are open: a task for each, for as long as it is ours."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from milepost.errors import KafkaUnavailableError
from milepost_projector.metrics import Metrics
from milepost_projector.publication import Publication, PublishedElsewhereError
from milepost_projector.read_model import ReadModelUnavailableError
from milepost_projector.status_topic import ProducerFencedError

RETRY_INTERVAL_S: Final = 0.5

log = structlog.get_logger()


class Publications:
    """Runs publications in the given task group; whatever is a bug ends the group.

    Args:
        tasks: Where they run.
        lose: Called with the number of a partition that turns out to be another owner's.
        metrics: Where losses and outages are counted.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, lose: Callable[[int], None], metrics: Metrics
    ) -> None:
        self._tasks = tasks
        self._lose = lose
        self._metrics = metrics
        self._running: dict[int, tuple[Publication, asyncio.Task[None]]] = {}
        self._committed: dict[int, int] = {}

    def begin(self, publication: Publication) -> None:
        """Keep the status topic complete for a partition that was just opened."""
        self.end(publication.number)
        task = self._tasks.create_task(self._publish(publication))
        self._running[publication.number] = publication, task

    def end(self, number: int) -> None:
        """Leave the rest to the next owner, who begins where this one has got to."""
        self._committed.pop(number, None)
        if number in self._running:
            _, task = self._running.pop(number)
            task.cancel()

    def end_all(self) -> None:
        for number in [*self._running]:
            self.end(number)

    def offer(self, number: int, revised: Mapping[bytes, bytes], applied: int) -> None:
        """Take what was written to the read model, which is now at the given offset."""
        publication, _ = self._running[number]
        publication.offer(revised, applied)

    def committable(self) -> dict[int, int]:
        """Published positions that the group does not know yet."""
        return {
            number: publication.published
            for number, (publication, _) in self._running.items()
            if not publication.is_held
            and publication.published >= publication.committed
            and publication.published != self._committed.get(number)
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Take in that the group knows these positions."""
        self._committed |= offsets

    async def completed(self) -> None:
        """Return once everything that was offered is published."""
        await asyncio.gather(*(each.completed() for each, _ in self._running.values()))

    async def _publish(self, publication: Publication) -> None:
        while True:
            try:
                await publication.run()
            except (ProducerFencedError, PublishedElsewhereError) as error:
                log.warning("fenced", partition=publication.number, reason=str(error))
                self._count(error)
                self._running.pop(publication.number, None)
                self._lose(publication.number)
                return
            except (KafkaUnavailableError, ReadModelUnavailableError) as error:
                self._metrics.not_now(error)
                log.warning("not_now", partition=publication.number, reason=str(error))
            await asyncio.sleep(RETRY_INTERVAL_S)

    def _count(self, error: ProducerFencedError | PublishedElsewhereError) -> None:
        if isinstance(error, ProducerFencedError):
            self._metrics.fenced()
        else:
            self._metrics.lost()
