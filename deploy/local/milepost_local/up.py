"""`milepost up`: a stack, files on their way through it, and its orderly end."""

import asyncio
import shlex
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from milepost.connection import KafkaSettings
from milepost_local.board import FollowedFile, board, print_line, say
from milepost_local.data_directory import DataDirectory
from milepost_local.following import follow
from milepost_local.local_stack import bring_up
from milepost_local.settings import LocalSettings
from milepost_local.stack_file import Stack, StackFile
from milepost_local.supervisor import supervise
from milepost_pipeline.ingest import IngestTarget, ingest_files

# A process that dies this often in a row does not come back by itself.
_HOPELESS_DEATHS = 6


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    directory: DataDirectory
    files: Sequence[Path]
    port: int
    """Of the query service; 0 for any free one."""
    once: bool
    """Whether to end when the files have."""


async def up(wanted: Wanted, settings: LocalSettings, console: Console) -> None:
    """Runs a stack with the files, until they have ended or, if not `once`, until cancelled.

    Raises:
        LocalStackError: The stack could not be brought up.
        MilepostError: Kafka or the query service did not do its part.
        ExceptionGroup: Of such errors.
    """
    file = StackFile(wanted.directory.stack_file)
    say(console, f"Starting Kafka, Redis and the services in {wanted.directory.root}")
    say(console, "The first start fetches Kafka and takes longer")
    async with supervise(
        announce=lambda line: say(console, line),
        changed=file.update,
        give_up_after=_HOPELESS_DEATHS if wanted.once else None,
    ) as supervisor:
        stack = await bring_up(supervisor, wanted.directory, port=wanted.port, settings=settings)
        followed = await _take_in(wanted, stack)
        file_ids = [taken.file_id for taken in followed]
        file.publish(replace(stack, file_ids=file_ids, pids=supervisor.pids()))
        _say_how_to_ask(console, stack, followed)
        say(console, "")
        with board(console, followed) as changed:
            await follow(stack, followed, changed)
        if wanted.once:
            _say_results(console, followed)
        else:
            say(console, f"\nServing on {stack.query_url} until Ctrl-C")
            await asyncio.get_running_loop().create_future()


async def until_interrupted(work: Coroutine[None, None, None]) -> bool:
    """Runs the work; the first Ctrl-C, SIGTERM or SIGHUP cancels it, and later ones wait with us.

    Returns:
        Whether it was interrupted.
    """
    task = asyncio.create_task(work)

    def interrupt() -> None:
        if not task.cancelling():
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def _take_in(wanted: Wanted, stack: Stack) -> list[FollowedFile]:
    target = IngestTarget(
        organization_id=stack.organization_id,
        store_id=stack.store_id,
        kafka=KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers),
        objects_url=wanted.directory.objects_url,
    )
    taken = await ingest_files(wanted.files, target=target)
    # File systems allow names that are not text, and terminals do not.
    return [
        FollowedFile(file.path.name.encode(errors="replace").decode(), file.file_id)
        for file in taken
    ]


def _say_how_to_ask(console: Console, stack: Stack, files: Sequence[FollowedFile]) -> None:
    say(console, f"API key: {stack.api_key}")
    key = shlex.quote(f"X-API-Key: {stack.api_key}")
    for file in files:
        say(console, f"\n{file.name}")
        say(console, f"curl -H {key} {shlex.quote(stack.status_url(file.file_id))}")


def _say_results(console: Console, files: Sequence[FollowedFile]) -> None:
    # On a terminal the live table stays as it was drawn last.
    if not console.is_terminal:
        for file in files:
            print_line(console, file)
