"""The process that reads one file after the other: `python -m milepost_pipeline.reading_worker`.

The text goes straight into the object store, so that the pipeline itself never holds a large file.
"""

import asyncio
import math
import os
import resource
import signal
import sys
import threading
from queue import SimpleQueue
from typing import BinaryIO

import msgspec

from milepost.errors import ProcessingError
from milepost_pipeline.extraction import extract
from milepost_pipeline.failures import failure
from milepost_pipeline.objects import ObjectMissingError, ObjectStore, StorageUnavailableError
from milepost_pipeline.reading import Answer, FileRefused, ReadRequest, StoreAway, TextFound

# The pipeline kills a worker that takes too long. Should the pipeline be gone, the kernel does.
_ALARM_AFTER_TIMEOUT_S = 5


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the other side closes, then end the process at once."""
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, lines), daemon=True).start()
    while True:
        request = msgspec.json.decode(lines.get(), type=ReadRequest)
        _limit_memory(request.max_memory_bytes)
        signal.alarm(math.ceil(request.timeout_s) + _ALARM_AFTER_TIMEOUT_S)
        answer = asyncio.run(_read(request))
        signal.alarm(0)
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()


def _receive(requests: BinaryIO, lines: SimpleQueue[bytes]) -> None:
    for line in requests:
        lines.put(line)
    # Kreuzberg may be in the middle of a file that nobody waits for any more.
    os._exit(0)


async def _read(request: ReadRequest) -> Answer:
    objects = ObjectStore(request.objects_url)
    try:
        data = await objects.read(request.content_path)
        document = extract(data, request.name, request.mime_type)
        await objects.write(request.text_path, msgspec.json.encode(document))
    except ObjectMissingError:
        return _refused(failure("content_missing"))
    except ProcessingError as error:
        return _refused(error)
    except MemoryError:
        return _refused(failure("out_of_memory"))
    except StorageUnavailableError as error:
        return StoreAway(str(error))
    return TextFound(len(document.text), len(document.pages))


def _refused(error: ProcessingError) -> FileRefused:
    return FileRefused(error.code, error.message, error.retryable)


def _limit_memory(max_bytes: int) -> None:
    # RLIMIT_DATA counts what is really written, where the kernel knows it (Linux); address
    # space alone is reserved freely by threads and allocators.
    resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, resource.RLIM_INFINITY))


def _take_standard_output() -> BinaryIO:
    """Return standard output, and let native libraries that print go to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    # Ctrl-C reaches every process of the terminal; the pipeline decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, _take_standard_output())
