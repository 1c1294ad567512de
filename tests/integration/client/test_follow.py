"""`milepost follow`, in this process where it ends by itself and as a program where it does not."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from milepost_local.servers import Server
from milepost_schemas.document import FileError
from tests.fixtures.statuses import Statuses, said
from tests.integration.client.commands import milepost

MILEPOST = str(Path(sys.executable).parent / "milepost")
AT = 1_750_075_200


@pytest.fixture
async def statuses(kafka: Server, unique: str) -> Statuses:
    made = Statuses(kafka.address, unique)
    await made.create()
    failed = FileError("corrupt", "The file is\x1b[2J\ndamaged.", None, retryable=False)
    await made.publish(
        said("file_1", 3, status="failed", error=failed, explicit_percent=40, updated_at=AT),
        said("file_2", 2, status="processing", current_step="embedding", updated_at=AT),
    )
    await made.publish(said("file_2", 3, deleted_at=AT))
    return made


async def follow(statuses: Statuses, *options: str) -> Result:
    kafka = statuses.connection.bootstrap_servers
    return await milepost("follow", *options, kafka=kafka, status=statuses.name)


async def test_every_change_is_a_line_that_a_terminal_can_take(statuses: Statuses) -> None:
    done = await follow(statuses, "--once")

    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.splitlines()) == [
        "2025-06-16T12:00:00Z  vs_1/file_1  1.3  failed       40 %  The file is�[2J damaged.",
        "2025-06-16T12:00:00Z  vs_1/file_2  1.2  processing    0 %  embedding",
        "2025-06-16T12:00:00Z  vs_1/file_2  1.3  deleted",
    ]


async def test_programs_get_json_lines(statuses: Statuses) -> None:
    done = await follow(statuses, "--once", "--json", "--file", "file_2", "--store", "vs_1")

    present, deleted = map(json.loads, done.stdout.splitlines())
    assert (present["generation"], present["revision"]) == (1, 2)
    assert present["offset"] < deleted["offset"]
    assert present["document"]["current_step"] == "embedding"
    assert deleted["document"]["deleted_at"] == "2025-06-16T12:00:00Z"


async def test_files_that_were_not_asked_for_are_not_printed(statuses: Statuses) -> None:
    by_file = await follow(statuses, "--once", "--file", "file_1")
    by_store = await follow(statuses, "--once", "--store", "vs_2")

    assert [line.split()[1] for line in by_file.stdout.splitlines()] == ["vs_1/file_1"]
    assert (by_store.exit_code, by_store.stdout) == (0, "")


async def test_it_follows_until_it_is_interrupted(statuses: Statuses, tmp_path: Path) -> None:
    (tmp_path / ".milepost").mkdir()
    stack = {"kafka_bootstrap_servers": statuses.connection.bootstrap_servers, "pids": {}}
    (tmp_path / ".milepost" / "stack.json").write_text(json.dumps(stack))
    environment = {**os.environ, "MILEPOST_STATUS_TOPIC": statuses.name}  # noqa: TID251  a child's
    following = await asyncio.create_subprocess_exec(
        MILEPOST,
        *("follow", "--json"),
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        for _ in range(3):
            await next_line(following)
        await statuses.publish(said("file_3", 1))
        assert (await next_line(following))["document"]["file_id"] == "file_3"
        following.send_signal(signal.SIGINT)
        assert await following.wait() == 0


async def next_line(program: asyncio.subprocess.Process) -> Any:
    assert program.stdout is not None
    return json.loads(await program.stdout.readline())


async def test_without_a_kafka_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    program = await asyncio.create_subprocess_exec(
        MILEPOST, "follow", "--data", "nowhere", stderr=asyncio.subprocess.PIPE
    )
    _, errors = await program.communicate()

    assert program.returncode == 1
    assert errors.startswith(b"milepost: no local stack in nowhere; start one with")
