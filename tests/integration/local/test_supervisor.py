"""The supervisor over small real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil
import pytest

from milepost_local.errors import ServerFailedError
from milepost_local.process import Process
from milepost_local.supervisor import supervise

_PARENT = """
import sys, time
from pathlib import Path
from milepost_local.process import Process
child = Process("child", ["sleep", "600"], log=Path(sys.argv[1]))
child.launch()
print(child.pid, flush=True)
time.sleep(600)
"""


async def until(claim: Callable[[], bool], *, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110  processes set no event
            await asyncio.sleep(0.02)


def ignore(_: object) -> None:
    """Takes what the test does not look at."""


def sleeper(tmp_path: Path, name: str = "sleeper") -> Process:
    return Process(name, ["sleep", "600"], log=tmp_path / f"{name}.log")


async def test_a_part_that_dies_is_started_again_with_a_line_that_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    changes: list[Mapping[str, int]] = []
    part = sleeper(tmp_path)
    async with supervise(announce=lines.append, changed=changes.append) as supervisor:
        await supervisor.start(part)
        first_pid = part.pid
        assert first_pid
        os.kill(first_pid, signal.SIGKILL)
        await until(lambda: len(changes) == 2)

        assert changes[0] == {}
        assert changes[1] == supervisor.pids() != {"sleeper": first_pid}
    assert lines == [
        "sleeper was killed by SIGKILL; it is started again in 0.25 s",
        "sleeper was started again",
    ]


async def test_parts_are_stopped_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    script = "trap 'echo {name} >> {ends}; exit' TERM; while :; do sleep 0.02; done"
    ends = tmp_path / "ends"
    async with supervise(announce=print, changed=ignore) as supervisor:
        for name in ("first", "second", "third"):
            command = ["sh", "-c", f"echo up; {script.format(name=name, ends=ends)}"]
            log = tmp_path / f"{name}.log"
            await supervisor.start(Process(name, command, log=log))
            await until(partial(_says_up, log))

    assert ends.read_text().split() == ["third", "second", "first"]


async def test_no_process_is_left_when_the_body_fails(tmp_path: Path) -> None:
    part = sleeper(tmp_path)

    async def stack() -> None:
        async with supervise(announce=print, changed=ignore) as supervisor:
            await supervisor.start(part)
            raise ValueError("the body's own")

    with pytest.raises(ExceptionGroup) as failure:
        await stack()
    assert failure.group_contains(ValueError)
    assert part.pid is None


async def test_no_process_is_left_when_the_body_is_cancelled(tmp_path: Path) -> None:
    part = sleeper(tmp_path)

    async def stack() -> None:
        async with supervise(announce=print, changed=ignore) as supervisor:
            await supervisor.start(part)
            await asyncio.sleep(600)

    running = asyncio.create_task(stack())
    await until(lambda: part.pid is not None)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert part.pid is None


async def test_a_part_that_keeps_dying_is_given_up_when_asked_to(tmp_path: Path) -> None:
    part = Process("dying", ["sh", "-c", "exit 3"], log=tmp_path / "dying.log")

    async def stack() -> None:
        async with supervise(announce=print, changed=ignore, give_up_after=3) as supervisor:
            await supervisor.start(part)
            await asyncio.sleep(600)

    with pytest.raises(ExceptionGroup) as failure:
        await stack()
    assert failure.group_contains(ServerFailedError, match="dying ended with code 3, 3 times")


async def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = Process(
        "stubborn",
        ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"],
        log=tmp_path / "stubborn.log",
    )
    await stubborn.start()
    await until(partial(_says_up, stubborn.log))

    await stubborn.stop(within_s=0.2)

    assert stubborn.pid is None


async def test_what_a_part_started_goes_with_it(tmp_path: Path) -> None:
    parent = Process(
        "parent", ["sh", "-c", "sleep 600 & echo $!; wait"], log=tmp_path / "parent.log"
    )
    await parent.start()
    await until(lambda: parent.log.exists() and parent.log.read_text().endswith("\n"))
    grandchild = int(parent.log.read_text())

    parent.kill()

    await until(lambda: _is_gone(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties children to their parent")
async def test_a_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220  its first line is waited for
        assert parent.stdout
        child = int(parent.stdout.readline())
        await until(lambda: psutil.Process(child).name() == "sleep")
        parent.kill()
    await until(lambda: _is_gone(child))


async def test_a_child_has_a_process_group_of_its_own(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    await child.start()
    try:
        assert child.pid
        assert os.getpgid(child.pid) != os.getpgid(0)
    finally:
        child.kill()


async def test_a_child_gets_its_variables_on_top_of_the_inherited_ones(tmp_path: Path) -> None:
    child = Process(
        "env",
        ["sh", "-c", 'echo "$MILEPOST_TEST ${PATH:+and a path}"'],
        log=tmp_path / "env.log",
        environment={"MILEPOST_TEST": "value"},
    )
    await child.start()
    assert await child.wait() == 0
    assert child.log.read_text() == "value and a path\n"


def _says_up(log: Path) -> bool:
    return log.read_text() == "up\n"


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
