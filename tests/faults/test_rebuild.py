import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.keys import Keys
from milepost_schemas.topics import PARTITIONS
from tests.faults.stand import Stand, until

pytestmark = pytest.mark.timeout(240)

REBUILD = (str(Path(sys.executable).parent / "milepost"), "rebuild", "--data", "no-stack")
HALTING = (sys.executable, "-m", "tests.faults.halting_rebuild")


async def test_readers_are_answered_while_a_rebuild_is_killed_and_gone_on_with(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=11) as work:
        refused = len(work.reader.refused)
        halting = stand.new_rebuild("halting", *HALTING, "SIGKILL", "Comparing")
        halting.launch()
        assert await halting.wait() == -signal.SIGKILL
        assert await is_begun(stand, 2)
        assert (await stand.meta()).generation == 1
        await stand.has_moved_on()
        rebuild = stand.new_rebuild("rebuild", *REBUILD)
        rebuild.launch()
        assert await rebuild.wait() == 0, rebuild.log.read_text()
        assert (await stand.meta()).generation == 2
        await stand.has_moved_on()
        assert work.reader.refused[refused:] == []
    assert "0 differed" in rebuild.log.read_text()


async def test_a_rebuild_whose_filling_process_is_killed_says_so_and_is_gone_on_with(
    stand: Stand,
) -> None:
    async with stand.at_work(seed=13):
        rebuild = stand.new_rebuild("rebuild", *REBUILD)
        rebuild.launch()
        assert rebuild.pid is not None
        command = psutil.Process(rebuild.pid)
        await until(lambda: is_one_killed(command))
        assert await rebuild.wait() == 1
        told = rebuild.log.read_text()
        assert "run it again to go on" in told
        assert "Traceback" not in told
        rebuild.launch()
        assert await rebuild.wait() == 0, rebuild.log.read_text()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
async def test_a_rebuild_that_halts_between_close_and_switch_stops_nobody(
    stand: Stand, name: str
) -> None:
    async with stand.at_work(seed=12):
        rebuild = stand.new_rebuild("rebuild", *HALTING, name, "is closed")
        rebuild.launch()
        await until(lambda: is_closed(stand))
        await until(lambda: is_taken_back(stand))
        await stand.has_moved_on()
        assert (await stand.meta()).generation == 1
        if name == "SIGSTOP":
            assert rebuild.pid is not None
            os.kill(rebuild.pid, signal.SIGCONT)
        else:
            rebuild = stand.new_rebuild("clean-up", *REBUILD, "--clean-up")
            rebuild.launch()
        assert await rebuild.wait() == 0, rebuild.log.read_text()
        assert (await stand.meta()).generation == (2 if name == "SIGSTOP" else 1)
        await stand.has_moved_on()


async def is_one_killed(command: psutil.Process) -> bool:
    """Whether there was a process that fills, which is there no longer."""
    for child in command.children():
        if "spawn_main" in " ".join(child.cmdline()):
            child.kill()
            return True
    return False


async def is_begun(stand: Stand, generation: int) -> bool:
    """Whether there is anything of a generation."""
    return any(checkpoint.next_offset for checkpoint in await checkpoints(stand, generation))


async def is_closed(stand: Stand) -> bool:
    """Whether all of the first generation is closed."""
    found = await checkpoints(stand, 1)
    return len(found) == PARTITIONS and all(checkpoint.is_closed for checkpoint in found)


async def is_taken_back(stand: Stand) -> bool:
    return not (await stand.meta()).switch


async def checkpoints(stand: Stand, generation: int) -> list[Checkpoint]:
    keys = Keys(stand.world.name)
    names = [keys.partition(generation, number).checkpoint for number in range(PARTITIONS)]
    async with stand.world.redis() as redis:
        return [Checkpoint.decode(value) for value in await redis.mget(names) if value]
