import asyncio
import signal
import time
from collections.abc import Callable

import msgspec
import psutil
import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.objects import ObjectStore, StorageUnavailableError
from milepost_pipeline.reader import Reader, ReaderLimits
from milepost_pipeline.text import ExtractedText
from tests.fixtures import odd_files

ROOMY = 1_000_000_000


async def read(reader: Reader, name: str = "a.pdf") -> int:
    found = await reader.read("content", "text.json", name=name, mime_type="")
    return found.characters


def workers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children()
        if process.status() != psutil.STATUS_ZOMBIE
        and "milepost_pipeline.reading_worker" in process.cmdline()
    ]


async def until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await asyncio.sleep(0.01)


async def test_the_text_lands_in_the_object_store(objects: ObjectStore, reader: Reader) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))

    found = await reader.read("content", "text.json", name="lights.pdf", mime_type="")

    document = msgspec.json.decode(await objects.read("text.json"), type=ExtractedText)
    assert found.pages == 3
    assert found.characters == len(document.text)
    assert document.name == "lights.pdf"


async def test_one_worker_reads_many_files(objects: ObjectStore, reader: Reader) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))

    await asyncio.gather(*(read(reader) for _ in range(5)))

    assert len(workers()) == 1


async def test_a_refusal_comes_back_as_it_was(objects: ObjectStore, reader: Reader) -> None:
    await objects.write("content", odd_files.sample("damaged.pdf"))

    with pytest.raises(ProcessingError) as refused:
        await read(reader)
    assert refused.value.code == "corrupt_file"
    assert refused.value.message.startswith("The PDF is damaged")
    assert not refused.value.retryable


async def test_missing_content_is_a_failure_and_a_broken_store_is_not(
    objects: ObjectStore, reader: Reader
) -> None:
    with pytest.raises(ProcessingError) as missing:
        await read(reader)
    assert missing.value.code == "content_missing"

    await objects.write("content", odd_files.sample("lighthouses.pdf"))
    await objects.write("text.json/in-the-way", b"")
    with pytest.raises(StorageUnavailableError):
        await read(reader)


async def test_an_endless_file_is_given_up_and_the_next_is_read(objects: ObjectStore) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))
    limits = ReaderLimits(workers=1, timeout_s=2, max_memory_bytes=ROOMY)
    async with Reader(objects.url, limits) as reader:
        await read(reader)
        (stuck,) = workers()
        stuck.send_signal(signal.SIGSTOP)

        with pytest.raises(ProcessingError) as given_up:
            await read(reader)

        assert given_up.value.code == "read_timeout"
        assert given_up.value.retryable
        assert "2 seconds" in given_up.value.message
        assert await read(reader) > 0
        assert not stuck.is_running()


async def test_a_worker_killed_from_outside_costs_no_file_its_attempt(
    objects: ObjectStore, reader: Reader
) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))
    await read(reader)
    (worker,) = workers()
    worker.send_signal(signal.SIGSTOP)
    reading = asyncio.create_task(read(reader))
    await asyncio.sleep(0)

    worker.kill()

    assert await reading > 0


@pytest.mark.parametrize(
    ("max_memory_bytes", "code"), [(120_000_000, "out_of_memory"), (250_000_000, "reader_crashed")]
)
async def test_a_file_that_eats_all_memory_fails_alone(
    objects: ObjectStore, max_memory_bytes: int, code: str
) -> None:
    limits = ReaderLimits(workers=1, timeout_s=30, max_memory_bytes=max_memory_bytes)
    async with Reader(objects.url, limits) as reader:
        await objects.write("content", odd_files.docx_bomb(90_000_000))
        with pytest.raises(ProcessingError) as failed:
            await read(reader, "bomb.docx")
        assert failed.value.code == code

        await objects.write("content", odd_files.sample("lighthouses.pdf"))
        assert await read(reader) > 0


async def test_closing_leaves_no_process_behind(objects: ObjectStore) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))
    async with Reader(objects.url, ReaderLimits(1, 30, ROOMY)) as reader:
        await read(reader)
        (worker,) = workers()
        worker.send_signal(signal.SIGSTOP)
        reading = asyncio.create_task(read(reader))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

    await until(lambda: not workers())


async def test_a_worker_ends_with_the_process_that_asked_it(objects: ObjectStore) -> None:
    await objects.write("content", odd_files.sample("lighthouses.pdf"))
    async with Reader(objects.url, ReaderLimits(1, 30, ROOMY)) as reader:
        await read(reader)
        (worker,) = workers()
        # Closing its standard input is all that a worker sees of a SIGKILL of the pipeline.
        reader._idle[0].process.stdin.close()  # type: ignore[union-attr]

        await until(lambda: not workers())
        assert await read(reader) > 0
        assert not worker.is_running()
