"""Reads files in worker processes, so that a bad file takes nothing down but its own attempt."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec

from milepost.errors import ProcessingError
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import StorageUnavailableError
from milepost_pipeline.reading import Answer, FileRefused, ReadRequest, StoreAway, TextFound

# Native parsers leak; a worker is replaced after so many files.
_FILES_PER_WORKER = 200


@dataclass(frozen=True)
class ReaderLimits:
    """How many files are read at once, and what one file may cost."""

    workers: int
    timeout_s: float
    max_memory_bytes: int


@dataclass
class _Worker:
    process: Process
    files: int = 0


class _WorkerDiedError(Exception):
    """The worker ended without an answer."""


class Reader:
    """An asynchronous context manager; closing kills the workers, whatever they do.

    A worker that takes too long or dies is replaced. Processes are started when they are needed.
    """

    def __init__(self, objects_url: str, limits: ReaderLimits) -> None:
        self._objects_url = objects_url
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.workers)
        self._idle: list[_Worker] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        while self._idle:
            await _kill(self._idle.pop())

    async def read(
        self, content_path: str, text_path: str, *, name: str, mime_type: str
    ) -> TextFound:
        """Extract the text of one object into another.

        Raises:
            ProcessingError: the file cannot be read.
            StorageUnavailableError: the object store does not answer.
        """
        request = ReadRequest(
            self._objects_url,
            content_path,
            text_path,
            name,
            mime_type,
            self._limits.timeout_s,
            self._limits.max_memory_bytes,
        )
        async with self._slots:
            answer = await self._ask_twice(request)
        match answer:
            case TextFound() as found:
                return found
            case FileRefused(code, message, retryable):
                raise ProcessingError(code, message, retryable=retryable)
            case StoreAway(reason):
                raise StorageUnavailableError(reason)

    async def _ask_twice(self, request: ReadRequest) -> Answer:
        try:
            return await self._ask(request, self._take_idle() or await _start())
        except _WorkerDiedError:
            # Killed from outside, for its memory perhaps: not necessarily this file's fault.
            pass
        try:
            return await self._ask(request, await _start())
        except _WorkerDiedError:
            raise failure("reader_crashed") from None

    async def _ask(self, request: ReadRequest, worker: _Worker) -> Answer:
        is_reusable = False
        try:
            answer = await asyncio.wait_for(_exchange(worker, request), request.timeout_s)
            worker.files += 1
            is_reusable = worker.files < _FILES_PER_WORKER
        except TimeoutError:
            raise failure("read_timeout", timeout_s=request.timeout_s) from None
        else:
            return answer
        finally:
            if is_reusable:
                self._idle.append(worker)
            else:
                await _kill(worker)

    def _take_idle(self) -> _Worker | None:
        return self._idle.pop() if self._idle else None


async def _start() -> _Worker:
    return _Worker(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "milepost_pipeline.reading_worker", stdin=PIPE, stdout=PIPE
        )
    )


async def _exchange(worker: _Worker, request: ReadRequest) -> Answer:
    requests, answers = worker.process.stdin, worker.process.stdout
    if requests is None or answers is None:
        raise _WorkerDiedError
    try:
        requests.write(msgspec.json.encode(request) + b"\n")
        await requests.drain()
    except OSError as error:
        raise _WorkerDiedError from error
    line = await answers.readline()
    if not line.endswith(b"\n"):
        raise _WorkerDiedError
    answer: Answer = msgspec.json.decode(line, type=Answer)
    return answer


async def _kill(worker: _Worker) -> None:
    if worker.process.returncode is None:
        worker.process.kill()
    await worker.process.wait()
