"""The command `milepost rebuild`."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from milepost.admin import committed_notes, count_partitions
from milepost.errors import MilepostError
from milepost.log_reader import LogReader
from milepost_projector.opening import newest_generation
from milepost_projector.read_model import (
    ReadModelUnavailableError,
    ReadModelUnfitError,
    RedisReadModel,
)
from milepost_projector.rebuild.comparison import Difference
from milepost_projector.rebuild.course import (
    Log,
    Means,
    MissingHistoryError,
    Progress,
    Rebuild,
    Rebuilt,
)
from milepost_projector.rebuild.filling import Source
from milepost_projector.rebuild.generations import Generations
from milepost_projector.rebuild.lock import AlreadyRunningError, RebuildLock
from milepost_projector.rebuild.progress import Bar, Lines
from milepost_projector.rebuild.target import find_source
from milepost_schemas.fold import MODEL_VERSION
from milepost_schemas.keys import Keys

FAILED: Final = 1
ALREADY_RUNNING: Final = 3
INTERRUPTED: Final = 130

_EXPECTED = (MilepostError, ReadModelUnavailableError, ReadModelUnfitError)


def rebuild(
    data: Annotated[Path, typer.Option("--data", help="Folder of a running local stack.")] = Path(
        ".milepost"
    ),
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="One for each core, if not given.")
    ] = os.cpu_count() or 1,
    *,
    accept_missing: Annotated[
        bool,
        typer.Option("--accept-missing", help="Rebuild although the log has lost its beginning."),
    ] = False,
    clean_up: Annotated[
        bool,
        typer.Option("--clean-up", help="Only give up an unfinished rebuild and remove its keys."),
    ] = False,
) -> None:
    """Build the read model anew from the log, beside the live one, and switch to it.

    Readers are answered throughout. Run it again after it was killed: it goes on where it was.
    """
    console = Console(stderr=True)
    try:
        source = find_source(data)
        with Bar(console) if console.is_terminal else Lines(console) as progress:
            if clean_up:
                removed = asyncio.run(give_up(source, progress))
                typer.echo(f"Removed {removed:,} keys.")
                return
            rebuilt = asyncio.run(
                run(source, progress, processes=processes, accept_missing=accept_missing)
            )
    except AlreadyRunningError as error:
        raise _stop(console, error, ALREADY_RUNNING) from error
    except _EXPECTED as error:
        raise _stop(console, error, FAILED) from error
    except BrokenProcessPool as error:
        reason = "a process that fills was killed, perhaps for want of memory"
        raise _stop(console, f"{reason}; run it again to go on", FAILED) from error
    except KeyboardInterrupt as error:
        raise _stop(console, "interrupted; run it again to go on", INTERRUPTED) from error
    typer.echo(report(rebuilt))


async def run(
    source: Source,
    progress: Progress,
    *,
    processes: int,
    accept_missing: bool = False,
    model_version: int = MODEL_VERSION,
) -> Rebuilt:
    """Rebuild once, while no other rebuild is running.

    Raises:
        AlreadyRunningError: another one is.
        MissingHistoryError: the log has lost its beginning, and that is not accepted.
    """
    keys = Keys(source.redis_prefix)
    read_model = RedisReadModel(source.redis_url, keys, model_version=model_version)
    lock = RebuildLock(read_model)
    try:
        async with _log(source) as log, lock.held():
            missing = sum(log.beginnings.values())
            if missing and not accept_missing:
                raise MissingHistoryError(missing)
            with _pool(processes) as pool:
                means = Means(source, read_model, log, pool, processes)
                return await Rebuild(means, lock.owner, progress).run()
    finally:
        await read_model.close()


async def give_up(source: Source, progress: Progress) -> int:
    """Remove every generation but the live one; how many keys that were."""
    read_model = RedisReadModel(source.redis_url, Keys(source.redis_prefix))
    generations = Generations(read_model)
    try:
        async with RebuildLock(read_model).held():
            stored, meta = await generations.meta()
            if meta.building is not None:
                await generations.change(stored, meta.without_building())
            progress.begin("Removing", None)
            return await generations.remove([meta.generation], meta.highest, progress.reach)
    finally:
        await read_model.close()


def report(rebuilt: Rebuilt) -> str:
    """What a rebuild came to, for people."""
    lines = [
        f"Generation {rebuilt.generation} is live, generation {rebuilt.former} is removed.",
        f"{rebuilt.records:,} records read, {rebuilt.removed:,} keys removed.",
    ]
    compared = rebuilt.compared
    if compared is None:
        lines.append("The model has another version now, so the documents were not compared.")
    else:
        lines.append(f"{compared.files:,} files compared, {compared.different:,} differed.")
        if compared.left_out:
            lines.append(f"{compared.left_out:,} files changed too late to be compared.")
        if compared.different:
            lines.append("The former generation was damaged; the new one is what the log says:")
        lines += [_line(difference) for difference in compared.shown]
    return "\n".join(lines)


def _line(difference: Difference) -> str:
    if not difference.is_rebuilt:
        what = "was in the former generation, but is not in the log"
    elif not difference.is_live:
        what = "was missing"
    else:
        what = "had another document"
    place = f"partition {difference.partition}, offset {difference.next_offset}"
    return f"  {difference.file_key} {what} ({place})"


@asynccontextmanager
async def _log(source: Source) -> AsyncIterator[Log]:
    partitions = await count_partitions(source.kafka, source.events_topic)
    notes = await committed_notes(source.kafka, source.projector_group, source.events_topic)
    reader = LogReader(source.kafka, source.events_topic)
    await reader.start()
    try:
        beginnings = await reader.beginning_offsets(range(partitions))
        yield Log(reader, beginnings, newest_generation(notes.values()))
    finally:
        await reader.stop()


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends."""
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_tether
    )
    try:
        yield pool
    finally:
        # A lap would go on to its goal. What it has written, it has written.
        for child in multiprocessing.active_children():
            child.kill()
        pool.shutdown(cancel_futures=True)


def _tether() -> None:
    """In a child: leave interrupts to the parent, and end when it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(FAILED)


def _stop(console: Console, error: object, code: int) -> typer.Exit:
    console.print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(code)
